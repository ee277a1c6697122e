package config

import "fmt"

// problems collects what is wrong, each under the flag that sets it and with the value it has.
type problems []error

func (p *problems) add(flag string, value any, format string, args ...any) {
	*p = append(*p, fmt.Errorf("--%s=%v: %s", flag, value, fmt.Sprintf(format, args...)))
}

func (p *problems) addError(flag string, value any, err error) {
	if err != nil {
		*p = append(*p, fmt.Errorf("--%s=%v: %w", flag, value, err))
	}
}

// join takes problems that name their flags.
func (p *problems) join(err error) {
	if err != nil {
		*p = append(*p, err)
	}
}
