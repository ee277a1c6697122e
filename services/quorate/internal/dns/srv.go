package dns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
)

// Query asks for the founding members of a cluster.
type Query struct {
	Resolver Resolver
	// Domain is where _etcd-server-ssl._tcp and _etcd-server._tcp are looked up, with "-" and Service behind the service's
	// name unless Service is empty.
	Domain  string
	Service string
	// Name and PeerURLs are this member's: the record that leads where one of the URLs does is its own.
	Name     string
	PeerURLs []string
	Logger   *slog.Logger
}

// Founder is one record: a founding member with one peer URL, which names the record's target.
type Founder struct {
	URL string
	// Own says that it is the member that asks.
	Own bool
}

// services are looked up both, and what they say is put together, as in etcd.
var services = []struct{ name, scheme string }{
	{"etcd-server-ssl", "https"},
	{"etcd-server", "http"},
}

// Founders looks the records up. Each is a member of its own. Of the errors, etcd's "cannot find local etcd member ... in
// SRV records" says that none leads to this member.
func (q Query) Founders(ctx context.Context) ([]Founder, error) {
	var own []endpoint
	for _, text := range q.PeerURLs {
		e, err := resolveURL(ctx, q.Resolver, text)
		if err != nil {
			return nil, fmt.Errorf("--initial-advertise-peer-urls=%s: %w", text, err)
		}
		own = append(own, e)
	}
	var founders []Founder
	var problems []error
	for _, service := range services {
		found, err := q.lookUp(ctx, service.name, service.scheme, own)
		if errors.Is(err, errTarget) {
			return nil, err
		}
		q.Logger.Info("looked SRV records up", "service", q.serviceName(service.name), "domain", q.Domain, "found", len(found), "error", err)
		founders = append(founders, found...)
		problems = append(problems, err)
	}
	if len(founders) == 0 {
		return nil, errors.Join(problems...)
	}
	if err := q.check(founders); err != nil {
		return nil, errors.Join(append([]error{err}, problems...)...)
	}
	for _, problem := range problems {
		if problem != nil && !isNotFound(problem) {
			q.Logger.Warn("some SRV records are of no use", "error", problem)
		}
	}
	return founders, nil
}

func (q Query) serviceName(name string) string {
	if q.Service != "" {
		return name + "-" + q.Service
	}
	return name
}

// errTarget is of a record whose target cannot be looked up. Without it the cluster would be another one, so nothing goes
// on then, where etcd passes the record over.
var errTarget = errors.New("a target cannot be looked up")

// lookUp returns the members that one service's records name, and what was wrong with others.
func (q Query) lookUp(ctx context.Context, name, scheme string, own []endpoint) ([]Founder, error) {
	name = q.serviceName(name)
	_, records, err := q.Resolver.LookupSRV(ctx, name, "tcp", q.Domain)
	if err != nil {
		return nil, fmt.Errorf("error querying DNS SRV records for _%s %w", name, err)
	}
	var founders []Founder
	var problems []error
	for _, record := range records {
		host, port := strings.TrimSuffix(record.Target, "."), strconv.Itoa(int(record.Port))
		founder := Founder{URL: scheme + "://" + net.JoinHostPort(host, port)}
		at, err := resolve(ctx, q.Resolver, "", host, port)
		if err != nil {
			return nil, fmt.Errorf("DNS SRV records for _%s: %w: %w", name, errTarget, err)
		}
		mismatch := false
		for i, e := range own {
			switch {
			case !e.meets(at):
			case e.scheme == scheme:
				founder.Own = true
			default:
				mismatch = true
				problems = append(problems, fmt.Errorf("bootstrap at %s from DNS for %s has scheme mismatch with expected peer %s", founder.URL, name, q.PeerURLs[i]))
			}
		}
		if founder.Own || !mismatch {
			founders = append(founders, founder)
		}
	}
	return founders, errors.Join(problems...)
}

// check wants one record of this member and no place named twice: the others see it as a member for each.
func (q Query) check(founders []Founder) error {
	var own []string
	seen := map[string]string{}
	for _, founder := range founders {
		if founder.Own {
			own = append(own, founder.URL)
		}
		_, place, _ := strings.Cut(founder.URL, "://")
		if first := seen[place]; first != "" {
			return fmt.Errorf("SRV records of %s name both %s and %s: leave one", q.Domain, first, founder.URL)
		}
		seen[place] = founder.URL
	}
	switch len(own) {
	case 1:
		return nil
	case 0:
		return fmt.Errorf("cannot find local etcd member %q in SRV records: none of %s leads to --initial-advertise-peer-urls=%s",
			q.Name, q.Domain, strings.Join(q.PeerURLs, ","))
	default:
		return fmt.Errorf("SRV records of %s name this member %d times (%s): the others would take it for as many members, leave one",
			q.Domain, len(own), strings.Join(own, ", "))
	}
}

func isNotFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}
