package app

import (
	"context"
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress shows on a terminal how far a long command is: a bar for each of its
// steps. A command that fails before it began shows none.
type progress struct {
	bars *mpb.Progress // nil where nobody looks
	step string
	bar  *mpb.Bar
}

// newProgress shows progress on talk if that is a terminal.
func newProgress(ctx context.Context, talk io.Writer) *progress {
	f, ok := talk.(*os.File)
	if !ok {
		return &progress{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &progress{}
	}
	return &progress{bars: mpb.NewWithContext(ctx, mpb.WithOutput(talk), mpb.WithWidth(48))}
}

// at says how much of a step is done.
func (p *progress) at(step string, done, total int64) {
	if p.bars == nil {
		return
	}
	if step != p.step {
		p.end()
		p.step = step
		p.bar = p.bars.AddBar(total,
			mpb.PrependDecorators(decor.Name(step, decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	}
	p.bar.SetCurrent(done)
}

// end leaves the present step as far as it came.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(false) // a bar that is full stays so
	}
}

// close ends the last step and waits until all is shown.
func (p *progress) close() {
	if p.bars != nil {
		p.end()
		p.bars.Wait()
	}
}
