package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
)

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"join":    func(s []string) string { return strings.Join(s, ", ") },
	"grouped": grouped,
}).Option("missingkey=error").ParseFS(static, "static/*.html"))

// pageView is what page.html shows.
type pageView struct {
	Version   string
	Customers []Customer
	Counters  Counters
	Chosen    *chosen
	Problem   string
}

// chosen is the chosen customer with the next answer: what parts.html shows.
type chosen struct {
	State  CustomerState
	Answer Answer
	// Said is what a screen reader hears when it appears.
	Said string
}

// Allowing and Others split the picker.
func (p pageView) Allowing() []Customer { return pick(p.Customers, true) }
func (p pageView) Others() []Customer   { return pick(p.Customers, false) }

func pick(from []Customer, personal bool) (out []Customer) {
	for _, c := range from {
		if c.Personal == personal {
			out = append(out, c)
		}
	}
	return out
}

// Share is the consenting share in percent.
func (c Counters) Share() string {
	if c.People == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(c.Consenting)/float64(c.People))
}

// page serves the whole page, about ?customer= or the first one who allows
// personal answers.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	v := pageView{Version: version, Customers: s.Demo.Customers(ctx), Counters: s.Counters()}
	status := http.StatusOK
	id := r.URL.Query().Get("customer")
	if id == "" {
		id = first(v.Customers)
	}
	if id != "" {
		c, err := s.look(ctx, id)
		switch {
		case err == nil:
			v.Chosen = &c
		case errors.Is(err, ErrNoCustomer):
			status, v.Problem = http.StatusNotFound, ErrNoCustomer.Error()
		default:
			s.failure(w, r, err)
			return
		}
	}
	s.render(w, r, status, "page.html", v)
}

func first(from []Customer) string {
	if allowing := pick(from, true); len(allowing) > 0 {
		return allowing[0].ID
	}
	if len(from) > 0 {
		return from[0].ID
	}
	return ""
}

// look returns a customer with their next answer.
func (s *server) look(ctx context.Context, id string) (chosen, error) {
	state, err := s.Demo.Customer(ctx, id)
	if err != nil {
		return chosen{}, err
	}
	return s.ask(ctx, state)
}

func (s *server) ask(ctx context.Context, state CustomerState) (chosen, error) {
	answer, err := s.Demo.Decide(ctx, state.ID)
	return chosen{State: state, Answer: answer, Said: "The next answer for " + state.Name + " is " + word(answer.Personal) + "."}, err
}

func word(personal bool) string {
	if personal {
		return "personal"
	}
	return "un-personal"
}

// show answers POST /demo/show: another customer, or the same one's next answer.
// It is no GET, since a decision leaves a receipt.
func (s *server) show(w http.ResponseWriter, r *http.Request) {
	form, ok := s.form(w, r)
	if !ok {
		return
	}
	c, err := s.look(r.Context(), form("customer"))
	s.parts(w, r, c, err)
}

// choice answers POST /demo/choice: customer, purpose, and on as true or false.
func (s *server) choice(w http.ResponseWriter, r *http.Request) {
	form, ok := s.form(w, r)
	if !ok {
		return
	}
	on := form("on") == "true"
	if !on && form("on") != "false" {
		fail(w, http.StatusBadRequest, "The new state of the switch must be true or false.")
		return
	}
	purpose := form("purpose")
	state, err := s.Demo.Choose(r.Context(), form("customer"), purpose, on)
	if err != nil {
		s.failure(w, r, err)
		return
	}
	c, err := s.ask(r.Context(), state)
	for _, sw := range state.Switches {
		if sw.Purpose == purpose {
			c.Said = sw.Name + " is " + map[bool]string{true: "on", false: "off"}[sw.On] + ". " + c.Said
		}
	}
	s.parts(w, r, c, err)
}

// form reads a small form; it has answered where it returns false.
func (s *server) form(w http.ResponseWriter, r *http.Request) (value func(string) string, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			fail(w, http.StatusRequestEntityTooLarge, "The form is larger than 4 KB.")
		} else {
			fail(w, http.StatusBadRequest, "The form cannot be read. Send application/x-www-form-urlencoded.")
		}
		return nil, false
	}
	return r.PostForm.Get, true
}

// fragment is the header with which the script asks for parts of the page; a
// browser without the script gets the whole page instead.
const fragment = "Accord-Parts"

func (s *server) parts(w http.ResponseWriter, r *http.Request, c chosen, err error) {
	switch {
	case err != nil:
		s.failure(w, r, err)
	case r.Header.Get(fragment) == "":
		http.Redirect(w, r, "/demo/?customer="+template.URLQueryEscaper(c.State.ID), http.StatusSeeOther)
	default:
		s.render(w, r, http.StatusOK, "parts", c)
	}
}

// render writes a template only when all of it succeeded.
func (s *server) render(w http.ResponseWriter, r *http.Request, status int, name string, v any) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, v); err != nil {
		s.failure(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
