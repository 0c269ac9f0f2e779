package world

import (
	"fmt"
	"math"
	"math/rand/v2"

	"accord/internal/catalog"
)

// Shop is the simulated shop's name.
const Shop = "Kettle & Clove"

// Currency of every price.
const Currency = "GBP"

// look is how a thing looks; each person prefers one.
type look int

// The looks. The position of a line's first word in its list decides.
const looks = 4

// section is one category of the shop and the words its titles are made of.
type section struct {
	code, category string
	low, high      float64 // prices in pounds of the plainest and the finest
	used           bool    // it is used up and bought again
	first          []string
	second         []string // follows the first as it is; the later, the dearer
}

var sections = []section{
	{
		"BT", "Black tea", 3.5, 9, true,
		[]string{"Assam", "Darjeeling first flush", "Ceylon Dimbula", "Keemun", "Yunnan golden tip", "Nilgiri", "Kenyan Milima", "English breakfast", "Earl Grey", "Lapsang souchong", "Irish breakfast", "Rose congou"},
		[]string{", 20 tea bags", ", 50 g loose leaf", ", 50 tea bags", ", 100 g loose leaf", " in a tin, 125 g", ", 250 g loose leaf"},
	},
	{
		"GT", "Green & white tea", 4.5, 14, true,
		[]string{"Sencha", "Gunpowder", "Jasmine pearls", "Dragon well", "White peony", "Silver needle", "Genmaicha", "Gyokuro", "Matcha", "Moroccan mint green", "Bancha", "Cherry blossom sencha"},
		[]string{", 15 pyramid bags", ", 40 g pouch", ", 30 pyramid bags", ", 80 g pouch", " in a tin, 100 g", ", 160 g pouch"},
	},
	{
		"HI", "Herbal infusions", 3, 8, true,
		[]string{"Chamomile & honeybush", "Peppermint", "Lemon & ginger", "Rooibos vanilla", "Hibiscus & rosehip", "Fennel & liquorice", "Lavender & lemon balm", "Turmeric & orange", "Nettle & mint", "Elderflower", "Blackcurrant", "Cardamom chai rooibos"},
		[]string{", 15 bags", ", 50 g loose", ", 30 bags", ", 100 g loose", " evening box, 40 bags", " gift tin, 90 g"},
	},
	{
		"CB", "Coffee beans", 6, 16, true,
		[]string{"Ethiopia Yirgacheffe", "Colombia Huila", "Guatemala Antigua", "Kenya Nyeri", "Brazil Cerrado", "Sumatra Gayo", "House espresso", "Decaf Peru", "Costa Rica Tarrazú", "Rwanda Huye", "Winter blend", "Breakfast blend"},
		[]string{", 200 g", ", ground, 250 g", ", 350 g", ", dark roast, 500 g", ", light roast, 500 g", ", 1 kg"},
	},
	{
		"CG", "Coffee gear", 9, 85, false,
		[]string{"Classic", "Copper", "Ceramic", "Bright red", "Brushed steel", "Walnut-handled", "Matt black", "Sky blue", "Vintage", "Forest green", "Slim", "Sunny yellow"},
		[]string{" coffee scoop", " pour-over dripper", " moka pot for three", " cafetière, 1 l", " hand grinder", " gooseneck kettle"},
	},
	{
		"TP", "Teapots & kettles", 16, 75, false,
		[]string{"Chestnut brown", "Stoneware", "Cast iron", "Spotted", "Porcelain", "Speckled clay", "Borosilicate glass", "Poppy red", "Willow pattern", "Ash-glazed", "Ivory", "Lemon yellow"},
		[]string{" teapot for one", " teapot, 0.6 l", " teapot, 0.9 l", " teapot with strainer, 1.2 l", " stove kettle, 1.6 l", " teapot and warmer"},
	},
	{
		"CM", "Cups & mugs", 5, 26, false,
		[]string{"White porcelain", "Hand-thrown", "Indigo", "Dotted", "Bone china", "Speckled", "Charcoal", "Rainbow-striped", "Gilded", "Sand-glazed", "Double-walled glass", "Coral"},
		[]string{" espresso cup", " mug", " large mug", " cup and saucer", " set of two mugs", " travel mug"},
	},
	{
		"SP", "Spices", 2.5, 9, true,
		[]string{"Ceylon cinnamon", "Smoked paprika", "Black cardamom", "Pink peppercorn", "Tellicherry pepper", "Cumin seed", "Sumac", "Harissa", "Nutmeg", "Coriander seed", "Saffron salt", "Curry leaf masala"},
		[]string{" refill, 30 g", ", small jar", ", large jar", ", 80 g pouch", " gift jar", " in a tin, 90 g"},
	},
	{
		"BK", "Baking", 4, 32, false,
		[]string{"Heritage", "Cherry red", "Non-stick", "Marbled", "Enamel", "Farmhouse", "Silicone", "Sky blue", "Copper", "Cream", "Carbon steel", "Pastel"},
		[]string{" biscuit cutters", " whisk", " cake tin, 20 cm", " loaf tin", " rolling pin", " mixing bowl, 3 l"},
	},
	{
		"PH", "Preserves & honey", 3.5, 12, true,
		[]string{"Seville orange", "Gooseberry", "Blackcurrant", "Raspberry & rose", "Bitter lemon", "Blood orange", "Fig & cardamom", "Strawberry", "Damson", "Quince", "Apricot & vanilla", "Rhubarb & ginger"},
		[]string{" curd", " jam", " jelly", " preserve with honey", " conserve, large jar", " set of three small jars"},
	},
	{
		"KB", "Knives & boards", 8, 95, false,
		[]string{"Sheffield", "Olive wood", "Farmhouse", "Sage green", "Rosewood", "Oak", "Chef's", "Everyday", "Rustic", "Cherry wood", "Walnut", "Orange"},
		[]string{" butter knife", " herb board", " paring knife", " bread board", " bread knife", " cook's knife, 20 cm"},
	},
	{
		"KL", "Kitchen linen", 5, 38, false,
		[]string{"White damask", "Washed linen", "Slate herringbone", "Lemon-print", "Blue-striped", "Undyed", "Black check", "Fox-print", "Embroidered", "Hemp", "Waffle", "Polka dot"},
		[]string{" napkin", " tea towel", " oven glove", " set of two tea towels", " apron", " table runner"},
	},
}

// thing is a product and what only the world knows of it.
type thing struct {
	product catalog.Product
	section int
	look    look
	charm   float64 // 0–1: how much everybody likes it
	rank    float64 // 0–1: how dear it is within its section
	used    bool    // bought again and again
	known   float64 // how often people come across it by themselves
}

// MaxProducts is how many different titles the words give: in each of twelve
// sections twelve firsts with six seconds.
const MaxProducts = 12 * 12 * 6

// makeThings fills the shelves with n products, spread evenly over the sections.
func makeThings(r *rand.Rand, n int, pictures string) []thing {
	things := make([]thing, 0, n)
	for i := range sections {
		share := n / len(sections)
		if i < n%len(sections) {
			share++
		}
		things = append(things, makeSection(r, i, share, pictures)...)
	}
	return things
}

func makeSection(r *rand.Rand, number, n int, pictures string) []thing {
	s := &sections[number]
	things := make([]thing, 0, n)
	for i, title := range r.Perm(len(s.first) * len(s.second))[:n] {
		first, second := title/len(s.second), title%len(s.second)
		rank := min(1, (float64(second)+r.Float64())/float64(len(s.second)))
		stock := 3 + r.IntN(120)
		if r.Float64() < 0.03 {
			stock = 0
		}
		id := fmt.Sprintf("%s-%02d", s.code, i+1)
		things = append(things, thing{
			product: catalog.Product{
				ID: id, Title: s.first[first] + s.second[second], Category: s.category,
				Price: pretty(s.low + (s.high-s.low)*rank*rank), Currency: Currency, Stock: &stock,
				Picture: pictures + id + ".svg",
			},
			section: number, look: look(first % looks), charm: r.Float64(), rank: rank, used: s.used,
			// A few things are known to all and most to few, as in every shop.
			known: math.Pow(float64(1+r.IntN(20)), -0.7),
		})
	}
	return things
}

// pretty rounds pounds to a price that ends in 45 or 95 pence.
func pretty(pounds float64) int64 { return max(1, int64(math.Round(2*pounds)))*50 - 5 }
