package world

import (
	"hash/fnv"
	"strings"

	"accord/internal/catalog"
)

// Picture draws a product: a flat SVG of 240 by 240, a few kilobytes, without
// scripts and without anything from elsewhere. The words of the title decide
// what is drawn and in which colour, the category where they do not tell, and
// the id the pattern; of a product that is not this shop's it is a parcel. The
// same product always has the same picture.
func Picture(p catalog.Product) []byte {
	h := fnv.New64a()
	_, _ = h.Write([]byte(p.ID)) // a hash takes everything
	kind, known := drawings[p.Category]
	if !known {
		kind = drawing{hue: float64(h.Sum64() >> 32 % 360), draw: drawParcel}
	}
	title := strings.ToLower(p.Title)
	draw := kind.draw
	for _, t := range kind.things {
		if strings.Contains(title, t.word) {
			draw = t.draw
			break
		}
	}
	c := newCanvas(kind.hue, h.Sum64(), title, known)
	draw(c)
	return c.finish(p.Title)
}

// drawing is what a category looks like.
type drawing struct {
	hue    float64 // of the colour wheel, 0–360, where the title names no colour
	draw   func(*canvas)
	things []titled // the first whose word is in the title is drawn instead
}

// titled is what a word of a title looks like. Words are in small letters.
type titled struct {
	word string
	draw func(*canvas)
}

var drawings = map[string]drawing{
	"Black tea":         {22, drawCaddy, []titled{{"bags", drawTeaBox}, {"tin", drawCaddy}, {"loose", drawPouch}}},
	"Green & white tea": {105, drawPouch, []titled{{"bags", drawTeaBox}, {"tin", drawCaddy}}},
	"Herbal infusions":  {320, drawTeaBag, []titled{{"tin", drawCaddy}, {"box", drawTeaBox}, {"loose", drawPouch}}},
	"Coffee beans":      {28, drawCoffeeBag, nil},
	"Coffee gear": {200, drawDripper, []titled{
		{"scoop", drawScoop}, {"moka", drawMoka}, {"cafetière", drawPress}, {"grinder", drawGrinder}, {"gooseneck", drawGooseneck},
	}},
	"Teapots & kettles": {185, drawTeapot, []titled{{"stove kettle", drawKettle}}},
	"Cups & mugs": {215, drawMug, []titled{
		{"espresso", drawCup}, {"saucer", drawCup}, {"travel", drawTravelMug}, {"two mugs", drawTwoMugs},
	}},
	"Spices": {12, drawSpiceJar, []titled{{"refill", drawPouch}, {"pouch", drawPouch}, {"tin", drawCaddy}}},
	"Baking": {345, drawBowl, []titled{
		{"cutters", drawCutters}, {"whisk", drawWhisk}, {"cake tin", drawCake}, {"loaf", drawLoaf}, {"rolling", drawRollingPin},
	}},
	"Preserves & honey": {40, drawJamJar, []titled{{"honey", drawHoneyJar}}},
	"Knives & boards":   {160, drawKnife, []titled{{"board", drawBoard}}},
	"Kitchen linen":     {235, drawTowel, []titled{{"glove", drawGlove}, {"apron", drawApron}, {"napkin", drawFolded}, {"set of", drawFolded}, {"runner", drawFolded}}},
}

// tint is a colour that a word of a title names.
type tint struct {
	word            string
	hue             float64
	strength, light float64 // saturation and lightness of the main colour
}

// tints in the order in which they are looked for.
var tints = []tint{
	{"blackcurrant", 275, .4, .45}, {"matt black", 220, .06, .34}, {"black check", 220, .05, .36},
	{"steel", 205, .1, .62}, {"charcoal", 220, .08, .38}, {"slate", 212, .16, .46}, {"carbon", 220, .06, .36},
	{"white damask", 40, .2, .74}, {"white porcelain", 210, .2, .78}, {"bone china", 40, .3, .8}, {"ivory", 42, .4, .74}, {"cream", 42, .5, .76}, {"undyed", 38, .25, .68}, {"silver", 205, .14, .68},
	{"bright red", 4, .68, .52}, {"poppy", 4, .68, .52}, {"raspberry", 340, .58, .52}, {"strawberry", 350, .62, .55}, {"damson", 290, .35, .42},
	{"paprika", 10, .65, .48}, {"harissa", 8, .65, .48}, {"sumac", 345, .5, .45}, {"pink", 345, .55, .66}, {"rose", 340, .5, .6}, {"coral", 12, .68, .63}, {"cherry red", 350, .6, .5}, {"cherry wood", 14, .45, .44}, {"cherry", 345, .55, .66},
	{"hibiscus", 335, .55, .5}, {"rhubarb", 345, .5, .6}, {"pastel", 330, .45, .74}, {"lavender", 265, .45, .66}, {"fig", 300, .32, .46},
	{"apricot", 28, .7, .6}, {"blood orange", 12, .7, .5}, {"orange", 26, .75, .55}, {"copper", 20, .55, .52}, {"fox", 18, .65, .52}, {"turmeric", 40, .75, .52}, {"saffron", 36, .8, .52},
	{"lemon & ginger", 46, .75, .56}, {"lemon", 50, .75, .58}, {"yellow", 48, .78, .56}, {"chamomile", 48, .6, .6}, {"gilded", 43, .55, .54}, {"sand", 38, .4, .62}, {"honey", 40, .7, .52},
	{"gooseberry", 85, .45, .56}, {"quince", 52, .65, .6}, {"mint", 150, .4, .52}, {"green", 130, .35, .48}, {"matcha", 92, .48, .48}, {"fennel", 85, .35, .52}, {"cardamom", 100, .3, .46}, {"coriander", 70, .35, .5}, {"curry", 52, .6, .5}, {"sencha", 112, .36, .46},
	{"sky blue", 202, .62, .6}, {"blue", 215, .5, .52}, {"indigo", 235, .45, .42}, {"willow", 222, .5, .5}, {"earl grey", 225, .3, .5},
	{"walnut", 24, .36, .4}, {"oak", 32, .4, .52}, {"olive", 34, .38, .48}, {"rosewood", 8, .4, .4}, {"cinnamon", 20, .5, .46}, {"nutmeg", 24, .45, .46}, {"cumin", 34, .5, .46}, {"chestnut", 20, .5, .36},
	{"pepper", 215, .1, .4}, {"cast iron", 220, .1, .34}, {"hemp", 60, .18, .56}, {"clay", 20, .42, .56}, {"ash-glazed", 120, .1, .62},
}
