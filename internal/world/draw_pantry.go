package world

// drawCaddy draws a tin of tea.
func drawCaddy(c *canvas) {
	c.shadow(120, 204, 66)
	c.rect(70, 76, 100, 128, 10, c.main)
	c.rect(70, 76, 26, 128, 10, c.light)
	c.rect(64, 58, 112, 30, 9, c.dark)
	c.rect(104, 44, 32, 16, 7, c.dark)
	c.pattern(70, 102, 100, c.accent)
	c.rect(86, 118, 68, 66, 8, paper)
	c.leaves(120, 146, 34)
	c.rect(98, 172, 44, 4, 2, c.dark)
	c.gleam("M79 96 v92", 5)
}

// drawPouch draws a pouch of leaf tea.
func drawPouch(c *canvas) {
	c.shadow(120, 206, 62)
	c.path("M78 60 h84 l10 132 q1 14 -14 14 h-76 q-15 0 -14 -14 z", c.main)
	c.path("M78 60 h26 l-4 146 h-18 q-15 0 -14 -14 z", c.light)
	c.rect(74, 44, 92, 22, 4, c.dark)
	for x := 84.0; x <= 156; x += 12 {
		c.rect(x, 48, 3, 14, 1, c.main)
	}
	c.circle(120, 136, 38, paper)
	c.leaves(120, 134, 44)
	c.pattern(80, 190, 80, c.accent)
}

// drawTeaBag draws a tea bag with its tag.
func drawTeaBag(c *canvas) {
	c.shadow(112, 206, 56)
	c.stroke("M112 70 C112 30 168 34 170 74", ink, 2.5)
	c.path("M90 70 h44 l26 28 v96 q0 10 -10 10 h-76 q-10 0 -10 -10 v-96 z", paper)
	c.path("M70 136 q42 -22 84 0 v56 q0 6 -6 6 h-72 q-6 0 -6 -6 z", c.light)
	for i, at := range [...][2]float64{{88, 156}, {112, 148}, {136, 158}, {98, 176}, {124, 174}, {142, 182}, {82, 184}} {
		if i%2 == c.pick(2) {
			c.circle(at[0], at[1], 5, c.main)
		} else {
			c.turned(float64(i)*40, at[0], at[1], func() { c.oneLeaf(at[0], at[1], 17, leaf, green) })
		}
	}
	c.path("M90 70 h44 l26 28 h-96 z", c.pale)
	c.rect(106, 64, 12, 12, 2, shade)
	c.turned(8, 170, 90, func() {
		c.rect(150, 72, 42, 46, 6, c.accent)
		c.flower(171, 95, 9, paper, c.main)
	})
}

// flower has five petals about (x, y).
func (c *canvas) flower(x, y, size float64, petal, heart string) {
	for i := range 5 {
		c.turned(float64(i)*72, x, y, func() { c.ellipse(x, y-size, size*.62, size*.85, petal) })
	}
	c.circle(x, y, size*.55, heart)
}

// drawCoffeeBag draws a bag of beans.
func drawCoffeeBag(c *canvas) {
	c.shadow(122, 206, 74)
	c.path("M80 66 h80 l8 128 q1 12 -12 12 h-72 q-13 0 -12 -12 z", c.main)
	c.path("M80 66 h22 l-4 140 h-14 q-13 0 -12 -12 z", c.light)
	c.path("M80 66 l6 -26 h68 l6 26 z", c.dark)
	c.rect(82, 60, 76, 8, 3, c.accent)
	c.rect(92, 92, 56, 72, 8, paper)
	if c.pick(2) == 0 {
		c.turned(-35, 120, 122, func() {
			c.ellipse(120, 122, 22, 15, "#6b4530")
			c.stroke("M102 122 q9 -8 18 0 t18 0", paper, 3)
		})
	} else {
		c.path("M104 112 h26 v16 q0 12 -13 12 q-13 0 -13 -12 z", "#6b4530")
		c.stroke("M130 116 q10 0 9 8 q-1 7 -11 7", "#6b4530", 4)
	}
	c.rect(102, 148, 36, 4, 2, c.dark)
	c.bean(170, 198, 20)
	c.bean(190, 203, -30)
	c.bean(62, 202, -15)
}

// drawSpiceJar draws a jar of spice.
func drawSpiceJar(c *canvas) {
	c.shadow(120, 206, 58)
	c.rect(74, 78, 92, 128, 18, "#ffffff")
	c.path("M80 112 q20 -10 40 0 t40 0 v76 q0 12 -12 12 h-56 q-12 0 -12 -12 z", c.main)
	for i := range 9 {
		c.circle(90+float64(c.pick(61)), 122+float64(i)*8, 3, []string{c.dark, c.light}[i%2])
	}
	c.rect(80, 50, 80, 34, 8, c.dark)
	for x := 90.0; x <= 146; x += 14 {
		c.rect(x, 56, 4, 22, 2, c.main)
	}
	c.rect(88, 128, 64, 46, 6, paper)
	c.star(120, 151, 18)
	c.gleam("M84 96 v92", 5)
}

// star is star anise about (x, y).
func (c *canvas) star(x, y, size float64) {
	for i := range 8 {
		c.turned(float64(i)*45, x, y, func() { c.ellipse(x, y-size*.58, size*.2, size*.45, "#8a5a3c") })
	}
	c.circle(x, y, size*.22, "#5d3a26")
}

// drawJamJar draws a jar with berries on its label.
func drawJamJar(c *canvas) {
	c.jar()
	for _, at := range [...][2]float64{{110, 150}, {130, 150}, {120, 164}} {
		c.circle(at[0], at[1], 10, c.main)
		c.circle(at[0]-3, at[1]-3, 2.5, paper)
	}
	c.stroke("M110 142 q6 -10 12 -8 q6 0 8 8", green, 3)
}

// drawHoneyJar draws a jar with a bee on its label.
func drawHoneyJar(c *canvas) {
	c.jar()
	c.bee(118, 154)
}

// jar is a jar with a cloth over its lid and an empty label.
func (c *canvas) jar() {
	c.shadow(120, 206, 62)
	c.rect(66, 84, 108, 122, 26, "#ffffff")
	c.path("M72 108 q24 8 48 0 t48 0 v72 q0 20 -20 20 h-56 q-20 0 -20 -20 z", c.main)
	c.rect(82, 124, 76, 56, 8, paper)
	c.path("M62 92 q-8 -12 4 -18 q2 -34 54 -34 q52 0 54 34 q12 6 4 18 q-14 -10 -22 0 q-12 -10 -24 0 q-12 -10 -24 0 q-12 -10 -24 0 q-8 -10 -22 0 z", c.accent)
	for _, at := range [...][2]float64{{92, 62}, {120, 54}, {148, 62}, {106, 72}, {134, 72}} {
		c.circle(at[0], at[1], 4, paper)
	}
	c.rect(66, 76, 108, 7, 3, c.dark)
	c.gleam("M78 116 v60", 5)
}

// bee sits about (x, y).
func (c *canvas) bee(x, y float64) {
	c.turned(-30, x, y, func() { c.ellipse(x-2, y-13, 7, 12, steel) })
	c.turned(30, x, y, func() { c.ellipse(x+4, y-13, 7, 12, steel) })
	c.ellipse(x, y, 19, 12, "#e8b13a")
	c.rect(x-8, y-11, 5, 22, 2, ink)
	c.rect(x+3, y-11, 5, 22, 2, ink)
	c.circle(x+17, y-1, 7, ink)
}

// drawParcel draws a parcel, for what this shop does not sell.
func drawParcel(c *canvas) {
	c.shadow(120, 204, 72)
	c.rect(54, 98, 132, 106, 8, c.main)
	c.rect(54, 98, 40, 106, 8, c.light)
	c.rect(46, 78, 148, 30, 7, c.dark)
	c.rect(110, 78, 20, 126, 0, c.accent)
	c.stroke("M120 78 q-44 -44 -50 -10 q2 16 50 10 q44 -44 50 -10 q-2 16 -50 10", c.accent, 9)
}

// drawTeaBox draws a box of tea bags, one of them out.
func drawTeaBox(c *canvas) {
	c.shadow(116, 204, 78)
	c.rect(46, 84, 128, 120, 6, c.main)
	c.path("M46 90 q0 -6 6 -6 h26 v120 h-26 q-6 0 -6 -6 z", c.light)
	c.path("M46 88 l14 -30 h100 l14 30 z", c.dark)
	c.pattern(50, 106, 120, c.accent)
	c.rect(74, 122, 72, 62, 8, paper)
	c.leaves(110, 148, 34)
	c.rect(88, 172, 44, 4, 2, c.dark)
	c.stroke("M178 130 q8 -30 24 -22 q12 8 4 26", ink, 2)
	c.path("M160 134 h28 l14 16 v48 q0 6 -6 6 h-44 q-6 0 -6 -6 v-48 z", paper)
	c.path("M146 168 q28 -12 56 0 v30 q0 6 -6 6 h-44 q-6 0 -6 -6 z", c.light)
	c.rect(198, 132, 22, 24, 4, c.accent)
}
