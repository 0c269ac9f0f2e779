package world

// drawBowl draws a mixing bowl with a spoon.
func drawBowl(c *canvas) {
	c.shadow(120, 204, 66)
	c.turned(32, 150, 90, func() {
		c.rect(144, 30, 12, 110, 6, wood)
		c.ellipse(150, 34, 16, 22, wood)
		c.ellipse(150, 34, 9, 14, grain)
	})
	c.path("M46 122 h148 q0 58 -46 80 h-56 q-46 -22 -46 -80 z", c.main)
	c.path("M46 122 h44 q0 54 22 80 h-20 q-46 -22 -46 -80 z", c.light)
	c.rect(40, 114, 160, 15, 7, c.dark)
	c.pattern(64, 156, 112, c.accent)
}

// drawWhisk draws a whisk and an egg.
func drawWhisk(c *canvas) {
	c.shadow(122, 204, 66)
	c.turned(38, 120, 120, func() {
		c.rect(112, 118, 16, 92, 8, c.main)
		c.rect(112, 118, 6, 92, 3, c.light)
		c.rect(110, 112, 20, 12, 4, c.dark)
		c.stroke("M120 112 q-52 -56 0 -92 q52 36 0 92 M120 112 q-24 -56 0 -92 q24 36 0 92 M120 112 v-92", shade, 4)
	})
	c.path("M160 204 q-28 -2 -28 -30 q4 -32 28 -36 q24 4 28 36 q0 28 -28 30 z", paper)
	c.path("M160 204 q-28 -2 -28 -30 q4 -32 28 -36 q-14 30 0 66 z", "#ffffff")
}

// drawCake draws a cake on its tin.
func drawCake(c *canvas) {
	c.shadow(120, 204, 82)
	c.rect(44, 150, 152, 54, 9, c.main)
	c.rect(44, 150, 44, 54, 9, c.light)
	c.rect(36, 142, 168, 14, 7, c.dark)
	c.path("M56 142 q-4 -48 28 -52 h72 q32 4 28 52 z", "#e0aa66")
	c.path("M58 112 q6 -30 34 -30 h56 q30 0 34 30 q-12 16 -22 2 q-12 20 -26 2 q-14 18 -26 0 q-14 20 -26 -2 q-12 14 -24 -2 z", paper)
	c.circle(92, 78, 9, c.accent)
	c.circle(120, 72, 9, c.main)
	c.circle(148, 78, 9, c.accent)
	c.pattern(60, 180, 120, c.accent)
}

// drawLoaf draws a loaf in its tin.
func drawLoaf(c *canvas) {
	c.shadow(120, 204, 86)
	c.path("M50 134 q-12 -54 38 -52 q32 -12 64 0 q50 -2 38 52 z", "#dca25c")
	c.path("M62 128 q-6 -36 30 -36 q28 -8 56 0 q36 0 30 36 z", "#e9bf82")
	for _, x := range [...]string{"92", "120", "148"} {
		c.stroke("M"+x+" 98 l-12 22", "#c98c48", 6)
	}
	c.path("M42 132 h156 l-12 64 q-2 8 -10 8 h-112 q-8 0 -10 -8 z", c.main)
	c.path("M42 132 h44 l4 72 h-26 q-8 0 -10 -8 z", c.light)
	c.rect(34, 126, 172, 13, 6, c.dark)
}

// drawRollingPin draws a rolling pin on dough.
func drawRollingPin(c *canvas) {
	c.path("M44 168 q-8 -46 50 -46 q70 -16 98 22 q14 52 -54 54 q-84 12 -94 -30 z", paper)
	c.turned(-34, 120, 124, func() {
		c.rect(22, 115, 40, 18, 9, c.dark)
		c.rect(178, 115, 40, 18, 9, c.dark)
		c.rect(54, 98, 132, 52, 14, c.main)
		c.rect(54, 98, 132, 18, 9, c.light)
	})
	for i := range 6 {
		c.circle(60+float64(c.pick(40)), 60+float64(i)*8, 2.5, paper)
	}
}

// drawCutters draws biscuit cutters and a biscuit.
func drawCutters(c *canvas) {
	c.shadow(120, 204, 74)
	c.starShape(92, 98, 50, c.main)
	c.starShape(92, 98, 36, c.pale)
	c.path("M164 176 q-44 -30 -30 -56 q14 -18 30 2 q16 -20 30 -2 q14 26 -30 56 z", c.dark)
	c.path("M164 162 q-30 -22 -22 -38 q10 -12 22 4 q12 -16 22 -4 q8 16 -22 38 z", c.pale)
	c.circle(84, 174, 29, "#e0aa66")
	for _, at := range [...][2]float64{{74, 166}, {92, 164}, {84, 180}, {98, 182}, {70, 184}} {
		c.circle(at[0], at[1], 4, c.accent)
	}
}

// starShape is a five-pointed star about (x, y).
func (c *canvas) starShape(x, y, size float64, fill string) {
	c.moved(x, y, func() {
		c.scaled(size/100, func() {
			c.path("M0 -100 L30 -38 L96 -30 L48 16 L60 82 L0 50 L-60 82 L-48 16 L-96 -30 L-30 -38 z", fill)
		})
	})
}

// drawBoard draws a board with something to cut.
func drawBoard(c *canvas) {
	c.shadow(120, 208, 60)
	c.turned(-10, 120, 120, func() {
		c.rect(64, 74, 104, 132, 16, wood)
		c.rect(100, 34, 30, 52, 14, wood)
		c.circle(115, 52, 6, c.pale)
		for i := range 3 {
			y := 98 + float64(i)*34 + float64(c.pick(9))
			c.stroke("M80 "+number(y)+" q24 -8 40 0 t34 -2", grain, 3)
		}
	})
	if c.pick(2) == 0 {
		c.circle(150, 168, 30, "#d8573f")
		c.circle(150, 168, 24, "#e98a6c")
		for i := range 5 {
			c.turned(float64(i)*72, 150, 168, func() { c.ellipse(150, 154, 5, 8, "#f7d9a8") })
		}
	} else {
		c.leaves(150, 168, 52)
	}
	c.leaves(98, 176, 26)
}

// drawKnife draws a knife on a cloth.
func drawKnife(c *canvas) {
	c.turned(-10, 120, 126, func() {
		c.rect(52, 60, 136, 140, 10, paper)
		c.rect(52, 76, 136, 7, 0, c.light)
		c.rect(52, 177, 136, 7, 0, c.light)
	})
	c.turned(38, 120, 120, func() {
		c.path("M106 18 q30 10 30 74 v40 h-30 z", steel)
		c.path("M106 18 q12 6 16 54 v60 h-16 z", "#eef2f4")
		c.rect(103, 128, 36, 11, 3, shade)
		c.rect(106, 136, 30, 84, 11, c.main)
		c.rect(106, 136, 10, 84, 5, c.light)
		c.circle(121, 158, 4, paper)
		c.circle(121, 194, 4, paper)
	})
}

// cloth is the pattern of a linen within the box: stripes, checks, flowers or
// none.
func (c *canvas) cloth(x, y, w, h float64) {
	switch c.pick(4) {
	case 0:
		for at := x + w*.12; at < x+w-6; at += w / 6 {
			c.rect(at, y, w*.06, h, 0, c.main)
		}
	case 1:
		for i := range 4 {
			c.rect(x, y+h*(.12+.25*float64(i)), w, h*.05, 0, c.main)
			c.rect(x+w*(.12+.25*float64(i)), y, w*.05, h, 0, c.accent)
		}
	case 2:
		for i := range 6 {
			at := x + w*(.2+.3*float64(i%3))
			c.flower(at, y+h*(.3+.36*float64(i/3)+.08*float64(i%2)), min(w, h)*.1, []string{c.main, c.accent}[i%2], paper)
		}
	default:
		c.rect(x, y+h*.74, w, h*.1, 0, c.main)
		c.rect(x, y+h*.88, w, h*.04, 0, c.accent)
	}
}

// drawTowel draws a towel over its rail.
func drawTowel(c *canvas) {
	c.rect(40, 50, 160, 9, 4, wood)
	c.circle(40, 54, 9, grain)
	c.circle(200, 54, 9, grain)
	c.rect(74, 46, 98, 128, 4, "#efe5d2")
	c.rect(66, 46, 98, 152, 4, paper)
	c.cloth(66, 58, 98, 132)
	for x := 70.0; x <= 162; x += 10 {
		c.stroke("M"+number(x)+" 198 v8", c.dark, 3)
	}
	c.rect(66, 46, 106, 10, 4, "#e2d6c0")
}

// drawFolded draws a folded cloth with a ribbon.
func drawFolded(c *canvas) {
	c.shadow(120, 202, 84)
	c.rect(44, 172, 152, 28, 8, c.dark)
	c.rect(44, 148, 152, 28, 8, c.light)
	c.rect(44, 124, 152, 28, 8, c.main)
	c.rect(44, 70, 152, 60, 8, paper)
	c.cloth(50, 74, 140, 52)
	c.rect(112, 70, 16, 130, 0, c.accent)
	c.stroke("M120 72 q-36 -34 -40 -8 q2 12 40 8 q36 -34 40 -8 q-2 12 -40 8", c.accent, 7)
}

// drawGlove draws an oven glove.
func drawGlove(c *canvas) {
	c.shadow(124, 206, 50)
	c.path("M82 168 V98 q0 -50 44 -50 q44 0 44 50 v70 z", c.main)
	c.path("M90 152 q-44 -20 -40 -46 q6 -20 26 -6 l24 26 z", c.main)
	c.path("M82 168 V98 q0 -50 44 -50 q-22 16 -20 50 v70 z", c.light)
	c.flower(130, 110, 16, paper, c.accent)
	c.rect(76, 162, 100, 42, 8, paper)
	c.pattern(78, 184, 96, c.accent)
	c.stroke("M168 176 q24 -4 18 14 q-6 10 -16 0", c.dark, 5)
}

// drawApron draws an apron.
func drawApron(c *canvas) {
	c.shadow(120, 208, 60)
	c.stroke("M92 74 q-4 -44 28 -44 q32 0 28 44", c.dark, 6)
	c.stroke("M66 130 q-20 4 -24 26 M174 130 q20 4 24 26", c.dark, 6)
	c.path("M92 68 h56 q2 44 30 58 l6 74 q0 8 -8 8 h-112 q-8 0 -8 -8 l6 -74 q28 -14 30 -58 z", c.main)
	c.path("M92 68 h14 q0 60 -16 140 h-26 q-8 0 -8 -8 l6 -74 q28 -14 30 -58 z", c.light)
	c.rect(88, 140, 64, 44, 8, paper)
	c.pattern(92, 162, 56, c.accent)
	c.rect(92, 68, 56, 8, 3, c.dark)
}
