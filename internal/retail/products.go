package retail

import (
	"maps"
	"slices"
	"strings"
	"time"

	"accord/internal/catalog"
)

// Products gathers a catalogue from the lines of past orders, for a shop that
// brings no other. The zero value is ready. It is not for concurrent use.
type Products struct {
	codes map[string]*sold
}

// sold is what the lines say about one stock code.
type sold struct {
	titles map[string]int // how often each description was written
	price  int64          // of the most recent line
	at     time.Time
	number int
}

// Add takes a line into account. The order of lines does not matter.
func (p *Products) Add(l Line) {
	if p.codes == nil {
		p.codes = make(map[string]*sold)
	}
	s := p.codes[l.Code]
	if s == nil {
		s = &sold{titles: make(map[string]int, 1)}
		p.codes[strings.Clone(l.Code)] = s
	}
	if _, ok := s.titles[l.Description]; ok {
		s.titles[l.Description]++
	} else if l.Description != "" {
		// A line's strings share the memory of its whole row.
		s.titles[strings.Clone(l.Description)] = 1
	}
	if l.At.After(s.at) || l.At.Equal(s.at) && l.Number > s.number {
		s.price, s.at, s.number = l.Price, l.At, l.Number
	}
}

// Len returns how many products there are.
func (p *Products) Len() int { return len(p.codes) }

// Products returns a product for each stock code, sorted by it. The title is the
// most frequent description (the alphabetically first of several, the code where
// there is none), the price the most recent, the stock not known, and the
// category that of [Category].
func (p *Products) Products() []catalog.Product {
	out := make([]catalog.Product, 0, len(p.codes))
	for _, code := range slices.Sorted(maps.Keys(p.codes)) {
		s := p.codes[code]
		title := s.title()
		if title == "" {
			title = code
		}
		out = append(out, catalog.Product{
			ID: code, Title: title, Category: Category(title), Price: s.price, Currency: Currency,
		})
	}
	return out
}

func (s *sold) title() (best string) {
	counts := make(map[string]int, len(s.titles))
	for text, n := range s.titles {
		counts[strings.Join(strings.Fields(text), " ")] += n
	}
	most := 0
	for text, n := range counts {
		if n > most || n == most && text < best {
			best, most = text, n
		}
	}
	return best
}

// groups are the categories and the words of a title that show them. The first
// that has a word of the title counts, so the narrow ones come first.
var groups = []struct{ category, words string }{
	{"Christmas", "CHRISTMAS XMAS ADVENT SANTA REINDEER BAUBLE BAUBLES SNOWMAN SNOWFLAKE MISTLETOE NOEL"},
	{"Easter", "EASTER"},
	{"Jewellery", "NECKLACE BRACELET EARRINGS EARRING BANGLE BROOCH PENDANT DIAMANTE HAIR HAIRCLIP HAIRBAND LARIAT CHARM JEWELLERY"},
	{"Bags & purses", "BAG BAGS SHOPPER TOTE RUCKSACK BACKPACK PURSE WALLET WASHBAG HOLDALL"},
	{"Candles & lights", "CANDLE CANDLES T-LIGHT T-LIGHTS TEALIGHT LANTERN LANTERNS LAMP LIGHT LIGHTS INCENSE CANDLESTICK CANDLEHOLDER CHANDELIER"},
	{"Clocks", "CLOCK CLOCKS"},
	{"Baking", "CAKE CAKES CAKESTAND BAKING CUPCAKE MUFFIN CASES"},
	{"Cards & wrapping", "CARD CARDS WRAP RIBBON RIBBONS STICKERS TAPE TAG TAGS TISSUE TISSUES"},
	{"Party", "PARTY BUNTING BIRTHDAY BALLOON BALLOONS GARLAND STREAMERS"},
	{"Stationery", "NOTEBOOK PEN PENS PENCIL PENCILS BOOK JOURNAL ERASER ERASERS RUBBER PAPER LETTERS STAMP STAMPS CALCULATOR SHARPENER"},
	{"Toys & games", "TOY TOYS JIGSAW DOLL DOLLY SOLDIER SKITTLES GAME PUZZLE DOMINOES PLAYING KIT FELTCRAFT KNITTING MAGIC SNAKES PLAYHOUSE"},
	{"Garden", "GARDEN GARDENERS GARDENING PLANT PLANTER WATERING SEED SEEDS PARASOL BIRDHOUSE GREENHOUSE"},
	{"Kitchen & table", "MUG MUGS CUP CUPS TEA TEAPOT TEACUP TEACUPS PLATE PLATES BOWL BOWLS CUTLERY TRAY JUG KITCHEN NAPKINS COASTER COASTERS DOILEY DOILIES SAUCER SPOON SPOONS APRON JAM PANTRY DINNER BREAD COFFEE LUNCH SNACK BISCUIT FORK KNIFE TUMBLER TUMBLERS GOBLET CUTTERS MILK RECIPE COSY DISH GLASSES EGGS EGG"},
	{"Textiles", "CUSHION CUSHIONS DOORMAT BLANKET THROW QUILT TOWEL TOWELS RUG CURTAIN SCARF SLIPPERS GLOVES SOCKS"},
	{"Wall & frames", "SIGN FRAME FRAMES MIRROR PHOTO WALL PICTURE CANVAS ART HOOK HOOKS HANGER PLAQUE"},
	{"Storage", "BOX BOXES TIN TINS BASKET BASKETS DRAWER DRAWERS STORAGE CABINET CHEST SUITCASE JAR JARS CRATE RACK"},
	{"Decoration", "DECORATION DECORATIONS WREATH HEART HEARTS VASE ORNAMENT HANGING FLOWER FLOWERS"},
}

// categories finds a group by a word.
var categories = func() map[string]int {
	m := make(map[string]int)
	for i, g := range groups {
		for _, w := range strings.Fields(g.words) {
			m[w] = i
		}
	}
	return m
}()

// Category guesses a category from the words of a title; it returns "" where no
// word is telling. It is a fixed list of English words and nothing more.
func Category(title string) string {
	best := len(groups)
	for _, w := range strings.FieldsFunc(strings.ToUpper(title), func(r rune) bool { return r == ' ' || r == ',' || r == '/' || r == '.' }) {
		if i, ok := categories[w]; ok {
			best = min(best, i)
		}
	}
	if best == len(groups) {
		return ""
	}
	return groups[best].category
}
