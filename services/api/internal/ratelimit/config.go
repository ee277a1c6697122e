package ratelimit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// What becomes of requests beyond the rate.
const (
	// ModeOff looks at no request.
	ModeOff = "off"
	// ModePermissive counts them.
	ModePermissive = "permissive"
	// ModeEnforcing counts and refuses them.
	ModeEnforcing = "enforcing"
)

// unlimited is what a class may be set to besides a number.
const unlimited = "unlimited"

// Config says how much each may ask for. The first two fields are those of the flags that begin with rate-limit. The zero value limits nothing.
type Config struct {
	Mode string // empty for ModeOff
	// Rates are CLASS=N for everybody, N requests a second, and USER:CLASS=N for one user.
	Rates []string

	Registerer prometheus.Registerer
}

// Default is what counts unless it is said otherwise. It limits nothing.
func Default() Config { return Config{Mode: ModeOff} }

// On tells whether requests are looked at.
func (c Config) On() bool { return c.Mode != "" && c.Mode != ModeOff }

// Validate tells what is wrong with the settings, each under its flag.
func (c Config) Validate() error {
	var problems []error
	switch {
	case c.Mode != "" && c.Mode != ModeOff && c.Mode != ModePermissive && c.Mode != ModeEnforcing:
		problems = append(problems, fmt.Errorf("--rate-limit-mode=%s: is %q, %q or %q", c.Mode, ModeOff, ModePermissive, ModeEnforcing))
	case c.On() && len(c.Rates) == 0:
		problems = append(problems, fmt.Errorf("--rate-limit-mode=%s: has no effect without --rate-limit", c.Mode))
	case !c.On() && len(c.Rates) > 0:
		problems = append(problems, fmt.Errorf("--rate-limit=%s: has no effect without --rate-limit-mode: %q counts what is beyond the rates, %q refuses it",
			strings.Join(c.Rates, ","), ModePermissive, ModeEnforcing))
	}
	_, err := c.rates()
	return errors.Join(append(problems, err)...)
}

// rates are requests a second by class; rate.Inf for as many as there are.
type rates [len(classNames)]rate.Limit

// plan is what everybody may ask for, and what some users may, by name.
type plan struct {
	everybody rates
	users     map[string]rates
}

// rates reads Rates. The error has every mistake.
func (c Config) rates() (*plan, error) {
	var problems []error
	given := map[string]map[int]rate.Limit{}
	for _, text := range c.Rates {
		user, class, limit, err := parse(text)
		if err == nil && given[user] == nil {
			given[user] = map[int]rate.Limit{}
		}
		if _, twice := given[user][class]; err == nil && twice {
			err = fmt.Errorf("%q: these requests have another rate before", text)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("--rate-limit=%s: %w", strings.Join(c.Rates, ","), err))
			continue
		}
		given[user][class] = limit
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	p := &plan{users: map[string]rates{}}
	for class := range p.everybody {
		p.everybody[class] = rate.Inf
	}
	p.everybody = p.everybody.with(given[""])
	for user, own := range given {
		if user != "" {
			p.users[user] = p.everybody.with(own)
		}
	}
	return p, nil
}

func (r rates) with(some map[int]rate.Limit) rates {
	for class, limit := range some {
		r[class] = limit
	}
	return r
}

// parse reads CLASS=N or USER:CLASS=N. A name may have colons and equals signs, but no comma.
func parse(text string) (user string, class int, limit rate.Limit, err error) {
	at := strings.LastIndexByte(text, '=')
	if at < 0 {
		return "", 0, 0, fmt.Errorf("%q: the form is CLASS=N or USER:CLASS=N, such as writes=1000", text)
	}
	name, number := text[:at], text[at+1:]
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 {
		user, name = name[:colon], name[colon+1:]
		if user == "" {
			return "", 0, 0, fmt.Errorf("%q: there is no user before the colon", text)
		}
	}
	class, known := classNamed(name)
	if !known {
		return "", 0, 0, fmt.Errorf("%q: no class is called %q, there are %s", text, name, knownClasses())
	}
	if number == unlimited {
		return user, class, rate.Inf, nil
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 {
		return "", 0, 0, fmt.Errorf("%q: a rate is a whole number of requests a second from 1 on, or %q", text, unlimited)
	}
	return user, class, rate.Limit(n), nil
}
