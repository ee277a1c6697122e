package v2

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// parameters are those of a request, of its body and then of its URL: the first of a name counts. They are what http.Request.ParseForm
// finds, without the maps that it makes, in which some dozen names were looked up.
type parameters []parameter

type parameter struct{ name, value string }

const (
	formType = "application/x-www-form-urlencoded"
	// formBytesMax and errFormTooLarge are those of net/http.
	formBytesMax = 10 << 20
	// parametersUsual is for how many there is room at hand, parametersPlainMax how many of a query are read here, which is more than there are
	// names.
	parametersUsual, parametersPlainMax = 8, 16
)

var errFormTooLarge = errors.New("http: POST too large")

// of returns those of a request, in p's memory if they have room there.
func (p parameters) of(r *http.Request) (parameters, error) {
	if r.Method == http.MethodPut || r.Method == http.MethodPost {
		if r.Header.Get("Content-Type") != formType {
			err := r.ParseForm()
			return p.with(r.Form), err
		}
		body, err := readForm(r.Body)
		if err != nil {
			return nil, err
		}
		if p, err = p.parse(body); err != nil {
			return nil, err
		}
	}
	return p.parse(r.URL.RawQuery)
}

// parse adds those of a query. What is unusual is left to net/url, and so is the text of an error.
func (p parameters) parse(query string) (parameters, error) {
	if strings.Count(query, "&") >= parametersPlainMax {
		return p.parseAny(query)
	}
	parsed := p
	for rest := query; rest != ""; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, badName := url.QueryUnescape(name)
		value, badValue := url.QueryUnescape(value)
		if badName != nil || badValue != nil || strings.Contains(pair, ";") {
			return p.parseAny(query)
		}
		parsed = append(parsed, parameter{name, value})
	}
	return parsed, nil
}

func (p parameters) parseAny(query string) (parameters, error) {
	all, err := url.ParseQuery(query)
	return p.with(all), err
}

// with adds all.
func (p parameters) with(all url.Values) parameters {
	for name, values := range all {
		for _, value := range values {
			p = append(p, parameter{name, value})
		}
	}
	return p
}

func (p parameters) has(name string) bool {
	for i := range p {
		if p[i].name == name {
			return true
		}
	}
	return false
}

// get returns the value of a parameter, none for one that is not given.
func (p parameters) get(name string) string {
	for i := range p {
		if p[i].name == name {
			return p[i].value
		}
	}
	return ""
}

// bodies holds memory to read bodies into, of which those are kept that are small.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func readForm(body io.Reader) (string, error) {
	room := bodies.Get().(*bytes.Buffer)
	room.Reset()
	_, err := room.ReadFrom(io.LimitReader(body, formBytesMax+1))
	if err == nil && room.Len() > formBytesMax {
		err = errFormTooLarge
	}
	form := room.String()
	if room.Cap() <= encodingKeptMax {
		bodies.Put(room)
	}
	return form, err
}
