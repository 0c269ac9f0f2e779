package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Init makes a data directory with a commented declaration in it, and returns
// the declaration's path. It never overwrites one.
func Init(data string, kind Kind, name string) (string, error) {
	d, err := OpenDirectory(data, kind)
	if err != nil {
		return "", err
	}
	file := d.file("accord.yaml")
	if _, err := os.Stat(file); err == nil {
		return "", fmt.Errorf("%s is there already: edit it, or choose another directory with --data", file)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	return file, writeFile(file, d.template(name))
}
