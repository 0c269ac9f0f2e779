package app

import (
	_ "embed"
	"fmt"
	"os"
)

// sampleEvents show, on the declaration of the template, what is kept and what
// is not.
//
//go:embed events.json
var sampleEvents []byte

// InitReport names what a new data directory begins with.
type InitReport struct {
	Declaration string
	Adopted     bool // the declaration was there and is as it was
	Sample      string
}

// Init makes a data directory with a commented declaration in two languages and
// some sample events to try it on. It overwrites nothing: a declaration that was written
// before the directory was made stays.
func Init(data string, kind Kind, name string) (report InitReport, err error) {
	d := &Directory{Path: data}
	report = InitReport{Declaration: d.file("accord.yaml"), Sample: d.file("events.json")}
	report.Adopted = exists(report.Declaration)
	if report.Adopted && exists(d.file("directory.json")) {
		return report, fmt.Errorf("%s is there already: edit it, or choose another directory with --data", report.Declaration)
	}
	if d, err = OpenDirectory(data, kind); err != nil {
		return report, err
	}
	if !exists(report.Sample) {
		if err := writeFile(report.Sample, sampleEvents); err != nil {
			return report, err
		}
	}
	if report.Adopted {
		return report, nil
	}
	return report, d.writeTemplate(report.Declaration, name)
}

// exists reports whether there is a file, or something that is in its place.
func exists(name string) bool {
	_, err := os.Lstat(name)
	return !os.IsNotExist(err)
}
