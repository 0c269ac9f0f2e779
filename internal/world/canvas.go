package world

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// canvas gathers the shapes of one picture and holds its colours.
type canvas struct {
	out  bytes.Buffer
	bits uint64 // of the product's hash, used up by pick

	ground, pale, light, main, dark string // of the product's hue
	accent                          string // of a hue opposite
}

// Colours that all pictures share.
const (
	paper = "#fffaf0"
	ink   = "#4a3f3a"
	wood  = "#d9b27c"
	grain = "#c1935a"
	steel = "#cfd6da"
	shade = "#aab4ba"
	leaf  = "#7fa65a"
	green = "#567d3c"
)

// newCanvas mixes the colours for a title in small letters. Where it names no
// colour, own tells that hue is a category's, around which products vary.
func newCanvas(hue float64, bits uint64, title string, own bool) *canvas {
	c := &canvas{bits: bits}
	t := tint{hue: hue, strength: .45, light: .56}
	if own {
		t.hue += float64(c.pick(61)) - 30
	}
	for _, named := range tints {
		if strings.Contains(title, named.word) {
			t = named
			break
		}
	}
	far := t.hue + 150 + float64(c.pick(61))
	soft := min(.5, t.strength)
	c.ground, c.pale = colour(t.hue, soft, .94), colour(t.hue, soft, .87)
	c.light, c.main = colour(t.hue, t.strength, t.light+.6*(.93-t.light)*.7), colour(t.hue, t.strength, t.light)
	c.dark = colour(t.hue, t.strength, t.light*.68)
	c.accent = colour(far, .55, .62)
	fmt.Fprintf(&c.out, `<rect width="240" height="240" fill="%s"/>`, c.ground)
	fmt.Fprintf(&c.out, `<circle cx="120" cy="116" r="92" fill="%s"/>`, c.pale)
	return c
}

// pick returns a number below n that the product's id decides.
func (c *canvas) pick(n uint64) int {
	got := c.bits % n
	// Mixed again, so that the next pick is independent of this one.
	c.bits = (c.bits ^ c.bits>>31) * 0x9e3779b97f4a7c15
	return int(got)
}

func (c *canvas) finish(title string) []byte {
	var b bytes.Buffer
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 240 240" width="240" height="240" role="img"><title>`)
	_ = xml.EscapeText(&b, clip(title)) // a buffer takes everything
	b.WriteString("</title>")
	b.Write(c.out.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// maxTitle bounds what of a title a picture repeats, in bytes: whatever a feed
// brings, a picture stays a few kilobytes.
const maxTitle = 300

// clip cuts a title to maxTitle bytes, between two characters.
func clip(title string) []byte {
	if len(title) <= maxTitle {
		return []byte(title)
	}
	end := maxTitle
	for end > maxTitle-utf8.UTFMax && !utf8.RuneStart(title[end]) {
		end--
	}
	return []byte(title[:end])
}

// path fills an outline.
func (c *canvas) path(d, fill string) {
	fmt.Fprintf(&c.out, `<path d="%s" fill="%s"/>`, d, fill)
}

// stroke draws a line with round ends.
func (c *canvas) stroke(d, colour string, width float64) {
	fmt.Fprintf(&c.out, `<path d="%s" fill="none" stroke="%s" stroke-width="%g" stroke-linecap="round" stroke-linejoin="round"/>`, d, colour, width)
}

func (c *canvas) rect(x, y, w, h, r float64, fill string) {
	fmt.Fprintf(&c.out, `<rect x="%g" y="%g" width="%g" height="%g" rx="%g" fill="%s"/>`, x, y, w, h, r, fill)
}

func (c *canvas) circle(x, y, r float64, fill string) {
	fmt.Fprintf(&c.out, `<circle cx="%g" cy="%g" r="%g" fill="%s"/>`, x, y, r, fill)
}

func (c *canvas) ellipse(x, y, rx, ry float64, fill string) {
	fmt.Fprintf(&c.out, `<ellipse cx="%g" cy="%g" rx="%g" ry="%g" fill="%s"/>`, x, y, rx, ry, fill)
}

// turned draws what draw draws, turned about a point.
func (c *canvas) turned(degrees, x, y float64, draw func()) {
	fmt.Fprintf(&c.out, `<g transform="rotate(%g %g %g)">`, degrees, x, y)
	draw()
	c.out.WriteString("</g>")
}

// moved draws what draw draws at another place.
func (c *canvas) moved(x, y float64, draw func()) {
	fmt.Fprintf(&c.out, `<g transform="translate(%g %g)">`, x, y)
	draw()
	c.out.WriteString("</g>")
}

// scaled draws what draw draws in another size.
func (c *canvas) scaled(by float64, draw func()) {
	fmt.Fprintf(&c.out, `<g transform="scale(%g)">`, by)
	draw()
	c.out.WriteString("</g>")
}

// shadow is what the thing stands on.
func (c *canvas) shadow(x, y, rx float64) {
	fmt.Fprintf(&c.out, `<ellipse cx="%g" cy="%g" rx="%g" ry="8" fill="%s" fill-opacity="0.22"/>`, x, y, rx, c.dark)
}

// gleam is a soft light on a shape.
func (c *canvas) gleam(d string, width float64) {
	fmt.Fprintf(&c.out, `<path d="%s" fill="none" stroke="#ffffff" stroke-opacity="0.45" stroke-width="%g" stroke-linecap="round"/>`, d, width)
}

// steam rises from (x, y).
func (c *canvas) steam(x, y float64) {
	for i := range 3 {
		at := x + float64(i-1)*18
		fmt.Fprintf(&c.out, `<path d="M%g %g q-7 -9 0 -18 q7 -9 0 -18" fill="none" stroke="#ffffff" stroke-width="5" stroke-linecap="round" stroke-opacity="0.9"/>`, at, y)
	}
}

// leaves is a sprig of two leaves about (x, y).
func (c *canvas) leaves(x, y, size float64) {
	c.turned(-28, x, y, func() { c.oneLeaf(x-size*.35, y, size, leaf, green) })
	c.turned(32, x, y, func() { c.oneLeaf(x+size*.35, y, size, green, leaf) })
}

func (c *canvas) oneLeaf(x, y, size float64, fill, rib string) {
	c.path(fmt.Sprintf("M%g %g q%g %g 0 %g q%g %g 0 %g z", x, y-size/2, size*.62, size/2, size, -size*.62, -size/2, -size), fill)
	c.stroke(fmt.Sprintf("M%g %g v%g", x, y-size*.3, size*.62), rib, 2)
}

// bean is a coffee bean about (x, y).
func (c *canvas) bean(x, y, degrees float64) {
	c.turned(degrees, x, y, func() {
		c.ellipse(x, y, 13, 9, "#6b4530")
		c.stroke(fmt.Sprintf("M%g %g q6 -5 10 0 t10 0", x-10, y), "#3f2718", 2)
	})
}

// pattern fills a band with dots, stripes, waves or nothing, as the id decides.
func (c *canvas) pattern(x, y, w float64, colour string) {
	switch c.pick(4) {
	case 0:
		for at := x + 10; at < x+w-4; at += 17 {
			c.circle(at, y, 5, colour)
		}
	case 1:
		c.rect(x, y-9, w, 6, 0, colour)
		c.rect(x, y+3, w, 6, 0, colour)
	case 2:
		n := math.Floor(w / 24)
		step := w / n / 2
		d := fmt.Sprintf("M%g %g", x+2, y)
		for range int(n) {
			d += fmt.Sprintf(" q%g -12 %g 0 q%g 12 %g 0", step/2, step-1, step/2, step-1)
		}
		c.stroke(d, colour, 5)
	}
}

// colour writes a colour of the wheel (hue in degrees, the others 0–1) as
// #rrggbb.
func colour(hue, saturation, lightness float64) string {
	hue = math.Mod(math.Mod(hue, 360)+360, 360)
	reach := saturation * min(lightness, 1-lightness)
	part := func(n float64) int {
		k := math.Mod(n+hue/30, 12)
		return int(math.Round(255 * (lightness - reach*max(-1, min(k-3, 9-k, 1)))))
	}
	return fmt.Sprintf("#%02x%02x%02x", part(0), part(8), part(4))
}

// number writes a coordinate.
func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
