package tlsconfig

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Policy bounds what a handshake may agree on. The zero value leaves that to crypto/tls.
type Policy struct {
	MinVersion, MaxVersion string   // "TLS1.2", "TLS1.3" or empty
	CipherSuites           []string // as crypto/tls and IANA name them
}

// Validate reports what is wrong with the names, without reading a file.
func (p Policy) Validate() error {
	_, _, _, err := p.resolve()
	return err
}

func (p Policy) resolve() (low, high uint16, suites []uint16, err error) {
	low, lowErr := version(p.MinVersion)
	high, highErr := version(p.MaxVersion)
	problems := []error{lowErr, highErr}
	if low != 0 && high != 0 && low > high {
		problems = append(problems, fmt.Errorf("lowest TLS version %s is above the highest, %s", p.MinVersion, p.MaxVersion))
	}
	if low == tls.VersionTLS13 && len(p.CipherSuites) > 0 {
		problems = append(problems, errors.New("the cipher suites of TLS1.3 cannot be chosen: leave them out, or allow TLS1.2"))
	}
	for _, name := range p.CipherSuites {
		id, err := suite(name)
		problems = append(problems, err)
		suites = append(suites, id)
	}
	return low, high, suites, errors.Join(problems...)
}

func version(name string) (uint16, error) {
	switch name {
	case "":
		return 0, nil
	case "TLS1.2":
		return tls.VersionTLS12, nil
	case "TLS1.3":
		return tls.VersionTLS13, nil
	default:
		return 0, fmt.Errorf("unknown TLS version %q: it is TLS1.2 or TLS1.3", name)
	}
}

func suite(name string) (uint16, error) {
	for _, known := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		// Some have a name that ends in what IANA left out at first.
		if known.Name == name || strings.TrimSuffix(known.Name, "_SHA256") == name {
			return known.ID, nil
		}
	}
	return 0, fmt.Errorf("unknown TLS cipher suite %q", name)
}
