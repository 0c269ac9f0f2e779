package world

// drawTeapot draws a teapot.
func drawTeapot(c *canvas) {
	c.shadow(118, 202, 72)
	c.stroke("M168 112 q44 -4 38 34 q-6 30 -46 30", c.dark, 11)
	c.path("M66 128 q-26 -2 -34 -34 l-10 2 q4 -16 20 -16 q16 2 22 22 q4 10 14 10 l-2 52 q-8 0 -10 -36 z", c.dark)
	c.path("M118 90 q62 0 62 60 q0 36 -28 50 h-68 q-28 -14 -28 -50 q0 -60 62 -60 z", c.main)
	c.path("M118 90 q-62 0 -62 60 q0 36 28 50 h16 q-22 -40 18 -110 z", c.light)
	c.pattern(66, 156, 104, c.accent)
	c.path("M80 98 q38 -34 76 0 q-38 12 -76 0 z", c.dark)
	c.circle(118, 72, 10, c.accent)
	c.rect(84, 196, 68, 8, 4, c.dark)
	c.steam(38, 66)
}

// drawKettle draws a kettle for the stove.
func drawKettle(c *canvas) {
	c.shadow(118, 204, 78)
	c.stroke("M76 96 q4 -52 44 -52 q40 0 44 52", ink, 10)
	c.path("M62 148 q-20 -4 -30 -40 l20 -8 q8 24 26 26 z", c.dark)
	c.path("M120 86 q56 0 70 104 q2 14 -14 14 h-112 q-16 0 -14 -14 q14 -104 70 -104 z", c.main)
	c.path("M120 86 q-56 0 -70 104 q-2 14 14 14 h34 q-16 -60 22 -118 z", c.light)
	c.path("M92 94 q28 -20 56 0 q-28 10 -56 0 z", c.dark)
	c.circle(120, 78, 8, c.accent)
	c.rect(50, 186, 140, 8, 4, c.dark)
	c.steam(34, 88)
}

// drawMug draws a mug.
func drawMug(c *canvas) {
	c.shadow(116, 204, 62)
	c.oneMug(0)
	c.steam(116, 70)
}

// oneMug is a mug, moved sideways.
func (c *canvas) oneMug(by float64) {
	c.moved(by, 0, func() {
		c.stroke("M162 112 q42 -6 40 30 q-2 32 -44 32", c.main, 13)
		c.path("M64 86 h104 v94 q0 22 -22 22 h-60 q-22 0 -22 -22 z", c.main)
		c.path("M64 86 h28 v116 h-6 q-22 0 -22 -22 z", c.light)
		c.pattern(68, 148, 96, c.accent)
		c.ellipse(116, 86, 52, 12, paper)
		c.ellipse(116, 88, 44, 8, "#8a5a3c")
	})
}

// drawTwoMugs draws one mug before another.
func drawTwoMugs(c *canvas) {
	c.shadow(112, 204, 88)
	c.scaled(.78, func() {
		c.moved(0, 46, func() { c.oneMug(62) })
		c.moved(0, 60, func() { c.oneMug(-14) })
	})
}

// drawCup draws a cup on its saucer.
func drawCup(c *canvas) {
	c.shadow(120, 206, 84)
	c.ellipse(120, 194, 86, 13, c.dark)
	c.ellipse(120, 190, 86, 12, c.light)
	c.stroke("M166 118 q38 -8 34 16 q-4 22 -44 24", c.main, 10)
	c.path("M60 100 h120 q0 88 -60 88 q-60 0 -60 -88 z", c.main)
	c.path("M60 100 h34 q-6 60 16 87 q-50 -8 -50 -87 z", c.light)
	c.pattern(72, 132, 96, c.accent)
	c.ellipse(120, 100, 60, 12, paper)
	c.ellipse(120, 102, 52, 8, "#8a5a3c")
	c.steam(120, 84)
}

// drawTravelMug draws a mug with a lid.
func drawTravelMug(c *canvas) {
	c.shadow(120, 206, 48)
	c.path("M76 70 h88 l-12 126 q-1 10 -11 10 h-42 q-10 0 -11 -10 z", c.main)
	c.path("M76 70 h26 l4 136 h-7 q-10 0 -11 -10 z", c.light)
	c.path("M81 118 h78 l-5 48 h-68 z", paper)
	c.leaves(120, 142, 32)
	c.rect(70, 56, 100, 20, 8, c.dark)
	c.path("M82 56 l6 -18 h64 l6 18 z", c.dark)
	c.rect(128, 32, 18, 8, 3, c.accent)
}

// drawDripper draws a dripper over its jug.
func drawDripper(c *canvas) {
	c.shadow(120, 206, 60)
	c.path("M66 56 h108 l-36 56 h-36 z", c.main)
	c.path("M66 56 h28 l20 56 h-12 z", c.light)
	c.rect(60, 48, 120, 12, 6, c.dark)
	c.stroke("M164 74 q30 0 8 28", c.dark, 8)
	c.rect(88, 110, 64, 10, 5, c.dark)
	c.path("M96 120 h48 q2 16 20 32 q12 12 12 28 q0 26 -26 26 h-60 q-26 0 -26 -26 q0 -16 12 -28 q18 -16 20 -32 z", "#ffffff")
	c.path("M68 164 h104 q4 8 4 16 q0 26 -26 26 h-60 q-26 0 -26 -26 q0 -8 4 -16 z", "#8a5a3c")
	c.gleam("M80 168 q-8 14 4 26", 5)
}

// drawMoka draws a moka pot.
func drawMoka(c *canvas) {
	c.shadow(120, 206, 60)
	c.path("M84 132 h72 l14 66 q2 8 -7 8 h-86 q-9 0 -7 -8 z", steel)
	c.path("M84 132 h22 l-6 74 h-23 q-9 0 -7 -8 z", "#e6ebee")
	c.rect(78, 118, 84, 18, 5, c.dark)
	c.path("M78 64 l-18 10 l22 10 l4 34 h70 l8 -54 z", c.main)
	c.path("M78 64 l-18 10 l22 10 l4 34 h16 l-4 -54 z", c.light)
	c.path("M80 64 q42 -22 84 0 z", c.dark)
	c.circle(121, 46, 8, c.accent)
	c.stroke("M164 72 h22 l-8 50", ink, 9)
}

// drawPress draws a cafetière.
func drawPress(c *canvas) {
	c.shadow(116, 206, 56)
	c.stroke("M158 104 h28 q8 0 8 8 v52 q0 8 -8 8 h-28", ink, 10)
	c.rect(72, 78, 88, 124, 8, "#ffffff")
	c.rect(78, 122, 76, 76, 5, "#7a4e34")
	c.rect(78, 114, 76, 9, 2, shade)
	c.rect(113, 36, 6, 80, 3, shade)
	c.circle(116, 36, 10, c.dark)
	c.path("M70 82 q2 -26 46 -26 q44 0 46 26 z", c.main)
	c.path("M70 82 q2 -26 46 -26 q-20 8 -20 26 z", c.light)
	c.path("M72 78 l-16 4 l16 12 z", c.main)
	c.rect(68, 140, 96, 9, 3, c.main)
	c.rect(68, 196, 96, 10, 4, c.dark)
	c.gleam("M84 94 v36", 5)
}

// drawGrinder draws a hand grinder.
func drawGrinder(c *canvas) {
	c.shadow(120, 206, 46)
	c.stroke("M120 56 L176 44", shade, 8)
	c.circle(180, 42, 11, c.accent)
	c.path("M82 84 q0 -30 38 -30 q38 0 38 30 z", c.dark)
	c.rect(82, 84, 76, 78, 4, c.main)
	c.rect(82, 84, 22, 78, 4, c.light)
	c.pattern(82, 124, 76, c.accent)
	c.rect(78, 156, 84, 10, 4, c.dark)
	c.rect(86, 166, 68, 40, 7, "#ffffff")
	c.rect(90, 182, 60, 20, 4, "#6b4530")
}

// drawGooseneck draws a kettle with a thin spout.
func drawGooseneck(c *canvas) {
	c.shadow(120, 204, 66)
	c.stroke("M84 178 q-34 -8 -34 -52 q0 -26 -24 -30", c.dark, 9)
	c.stroke("M158 88 q42 -4 42 26 v36", ink, 10)
	c.path("M90 82 h62 l24 112 q2 10 -8 10 h-94 q-10 0 -8 -10 z", c.main)
	c.path("M90 82 h20 l-14 122 h-22 q-10 0 -8 -10 z", c.light)
	c.path("M88 82 q33 -22 66 0 z", c.dark)
	c.circle(121, 64, 8, c.accent)
	c.rect(64, 188, 114, 8, 4, c.dark)
}

// drawScoop draws a spoon of coffee and beans.
func drawScoop(c *canvas) {
	c.shadow(118, 196, 76)
	c.turned(-32, 120, 130, func() {
		c.rect(104, 116, 116, 16, 8, c.main)
		c.rect(104, 116, 116, 6, 3, c.light)
		c.circle(208, 124, 4, c.pale)
	})
	c.ellipse(84, 144, 44, 14, "#6b4530")
	c.bean(68, 136, 20)
	c.bean(92, 132, -25)
	c.bean(104, 142, 40)
	c.path("M38 144 h92 q0 44 -46 44 q-46 0 -46 -44 z", c.main)
	c.path("M38 144 h26 q0 34 22 44 q-48 0 -48 -44 z", c.light)
	c.bean(158, 190, 10)
	c.bean(184, 184, -40)
}
