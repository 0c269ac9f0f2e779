package gpp

import (
	"errors"
	"fmt"
)

// USP is the US Privacy String, section uspv1: each of the three is Y, N or -.
type USP struct {
	Version     int
	Notice      string
	OptOutSale  string
	LspaCovered string
}

func decodeUSP(text string) (*USP, error) {
	u := &USP{Version: int(text[0] - '0')}
	if len(text) != 4 {
		return nil, errors.New("it has 4 characters, such as 1YNN")
	}
	u.Notice, u.OptOutSale, u.LspaCovered = text[1:2], text[2:3], text[3:4]
	return u, u.check()
}

func (u *USP) check() error {
	if u.Version != 1 {
		return fmt.Errorf("Version is %d: there is only 1", u.Version)
	}
	for i, v := range []string{u.Notice, u.OptOutSale, u.LspaCovered} {
		if v != "Y" && v != "N" && v != "-" {
			return fmt.Errorf("%s must be Y, N or -", []string{"Notice", "OptOutSale", "LspaCovered"}[i])
		}
	}
	return nil
}

func (u *USP) encode() (string, error) {
	if err := u.check(); err != nil {
		return "", err
	}
	return "1" + u.Notice + u.OptOutSale + u.LspaCovered, nil
}
