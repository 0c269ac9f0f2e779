package catalog_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/internal/catalog"
)

var feeds = map[string]string{
	"rss": `<?xml version="1.0" encoding="UTF-8"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel>
<title>A shop</title><link>https://shop.example</link>
<item><g:id>m-1</g:id><g:title>Blue mug</g:title><description>Holds <b>tea</b></description>
<link>https://shop.example/m-1?a=1&amp;b=2</link><g:image_link>https://shop.example/m-1.jpg</g:image_link>
<g:price>12.99 GBP</g:price><g:availability>in_stock</g:availability>
<g:product_type>Kitchen &gt;  Mugs</g:product_type><g:product_type>Second</g:product_type>
<g:shipping><g:country>GB</g:country><g:price>3.99 GBP</g:price></g:shipping></item>
<item><title><![CDATA[Tea & more]]></title><g:price>450 JPY</g:price><g:id>t-1</g:id><g:availability>out of stock</g:availability></item>
</channel></rss>`,
	"rss without the namespace": `<rss><channel>
<item><g:id>m-1</g:id><g:title>Blue mug</g:title><g:link>https://shop.example/m-1?a=1&amp;b=2</g:link>
<g:image_link>https://shop.example/m-1.jpg</g:image_link><g:price>12.99 GBP</g:price><g:product_type>Kitchen &gt; Mugs</g:product_type></item>
<item><g:id>t-1</g:id><g:title>Tea &amp; more</g:title><g:price>450 JPY</g:price><g:availability>out_of_stock</g:availability></item>
</channel></rss>`,
	"atom": `<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>A shop</title>
<entry><g:id>m-1</g:id><title>Blue mug</title><link rel="self" href="https://shop.example/x"/><link href="https://shop.example/m-1?a=1&amp;b=2"/>
<g:image_link>https://shop.example/m-1.jpg</g:image_link><g:price>12.99 GBP</g:price><g:availability>preorder</g:availability><g:product_type>Kitchen &gt; Mugs</g:product_type></entry>
<entry><g:id>t-1</g:id><title>Tea &amp; more</title><g:price>450 JPY</g:price><g:availability>out_of_stock</g:availability></entry></feed>`,
	"tabs": "id\ttitle\tdescription\tlink\timage link\tprice\tavailability\tproduct type\tbrand\n" +
		"m-1\tBlue mug\tHolds tea\thttps://shop.example/m-1?a=1&b=2\thttps://shop.example/m-1.jpg\t12.99 GBP\tin stock\tKitchen > Mugs\tAny\n\n" +
		"t-1\t\"Tea & more\"\t\t\t\t450 JPY\tOut of Stock\n",
}

// The three forms of a merchant feed say the same.
func TestFeeds(t *testing.T) {
	want := []catalog.Product{
		{ID: "m-1", Title: "Blue mug", Category: "Kitchen > Mugs", Price: 1299, Currency: "GBP", Picture: "https://shop.example/m-1.jpg", URL: "https://shop.example/m-1?a=1&b=2"},
		{ID: "t-1", Title: "Tea & more", Price: 450, Currency: "JPY", Stock: count(0)},
	}
	for name, text := range feeds {
		got, err := catalog.ReadFeed(strings.NewReader(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if again, _, err := catalog.Read(strings.NewReader("\uFEFF" + text)); err != nil || !cmp.Equal(want, again) {
			t.Errorf("%s, found by content: %v", name, err)
		}
	}
}

// A fault of a feed is reported with its line.
func TestFeedFaults(t *testing.T) {
	item := func(s string) string { return "<rss><channel>\n<item>" + s + "</item></channel></rss>" }
	deep := strings.Repeat("<a>", 40)
	for _, c := range []struct{ name, file, want string }{
		{"page", "<html><body>sign in</body></html>", "line 1: <html> does not begin a feed"},
		{"empty", "<rss></rss>", "empty"},
		{"no currency", item("<g:id>x</g:id><g:title>y</g:title><g:price>12.99</g:price>"), `line 2: price "12.99" lacks its currency`},
		{"currency first", item("<g:id>x</g:id><g:title>y</g:title><g:price>GBP 12.99</g:price>"), "line 2: currency"},
		{"no id", item("<g:title>y</g:title><g:price>1 GBP</g:price>"), "line 2: a product needs an id"},
		{"availability", item("<g:id>x</g:id><g:title>y</g:title><g:price>1 GBP</g:price><g:availability>soon</g:availability>"), `line 2: availability "soon" is none of`},
		{"link", item("<g:id>x</g:id><g:title>y</g:title><g:price>1 GBP</g:price><g:link>javascript:alert(1)</g:link>"), "line 2: url"},
		{"cut", "<rss>\n<channel><item><g:id>x", "line 2: the feed ends too early"},
		{"crossed", "<rss><a></b></rss>", "line 1: not valid XML"},
		{"entity", item("<g:id>&bomb;</g:id>"), "line 2: not valid XML"},
		{"deep", "<rss>" + deep, "nest more than 32 deep"},
		{"deep item", item(deep), "nest more than 32 deep"},
		{"latin", `<?xml version="1.0" encoding="ISO-8859-1"?><rss></rss>`, "save it as UTF-8"},
		{"tabs lacking", "id\ttitle\nx\ty\n", `line 1: the header lacks "price"`},
		{"tabs twice", "id\ttitle\tprice\tid\nx\ty\n", `line 1: the header names "id" twice`},
		{"tabs many", "id\ttitle\tprice\nx\ty\t1 GBP\tz\n", "line 2: has 4 fields, but the header names 3"},
		{"tabs price", "id\ttitle\tprice\nx\ty\tfree\n", `line 2: price "free" lacks`},
	} {
		got, err := catalog.ReadFeed(strings.NewReader(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
			t.Errorf("%s: %d products, error %v; want %q", c.name, len(got), err, c.want)
		}
	}
}
