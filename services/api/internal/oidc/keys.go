package oidc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// askPause is how long the issuer is not asked again, whatever tokens come: anybody can name a key that nobody knows.
	askPause = 30 * time.Second
	// emptyPause stands for it as long as no key is known at all, as when the issuer was away at the start.
	emptyPause = 5 * time.Second
	// askTimeout bounds the asking.
	askTimeout = 5 * time.Second
	// ageMax is how old keys become before the issuer is asked whether they still count. One that is away leaves them in use.
	ageMax = time.Hour
	// answerBytesMax bounds an answer of the issuer's.
	answerBytesMax = 1 << 20
)

// algorithms are those that tokens may be signed with. None of them works with a secret that both sides know, or without a key.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.ES256, jose.ES384, jose.ES512, jose.PS256, jose.PS384, jose.PS512, jose.EdDSA,
}

// errUnknownKey is returned for a token that is signed with a key that the issuer does not name.
var errUnknownKey = errors.New("signed with a key that is not known")

// keys are the issuer's. They implement the library's KeySet, which asks too often by itself.
type keys struct {
	issuer string
	client *http.Client
	now    func() time.Time
	logger *slog.Logger

	mu struct {
		sync.Mutex
		known []jose.JSONWebKey
		// url is where the keys are, once it is known; asked is when the issuer was asked last, fetched when it answered.
		url            string
		asked, fetched time.Time
		// asking is closed when the question that is under way has an answer; nil where there is none.
		asking chan struct{}
	}
}

var _ gooidc.KeySet = (*keys)(nil)

func newKeys(issuer string, now func() time.Time, logger *slog.Logger) *keys {
	return &keys{issuer: issuer, now: now, logger: logger, client: &http.Client{
		Timeout: askTimeout, Transport: bounded{http.DefaultTransport}, CheckRedirect: checkRedirect,
	}}
}

// redirectsMax bounds how often the issuer sends us on.
const redirectsMax = 10

// checkRedirect holds where the issuer sends us on to what its own URL is held to: who can change what is said there can be anybody.
func checkRedirect(next *http.Request, before []*http.Request) error {
	if len(before) >= redirectsMax {
		return fmt.Errorf("%d redirects", len(before))
	}
	if err := checkIssuer(next.URL.Scheme + "://" + next.URL.Host); err != nil {
		return fmt.Errorf("a redirect to %s %w", next.URL.Redacted(), err)
	}
	return nil
}

// bounded bounds answers.
type bounded struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, answerBytesMax), response.Body}
	}
	return response, err
}

// VerifySignature implements gooidc.KeySet: it returns what a token says whose signature is one of the issuer's.
func (k *keys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	signed, err := jose.ParseSigned(token, algorithms)
	if err != nil {
		return nil, err
	}
	if len(signed.Signatures) != 1 {
		return nil, errors.New("one signature is wanted")
	}
	head := signed.Signatures[0].Header
	k.refresh(ctx, false)
	if said, err := k.verify(signed, head); !errors.Is(err, errUnknownKey) {
		return said, err
	}
	k.refresh(ctx, true)
	return k.verify(signed, head)
}

func (k *keys) verify(signed *jose.JSONWebSignature, head jose.Header) ([]byte, error) {
	k.mu.Lock()
	known := k.mu.known
	k.mu.Unlock()
	for i := range known {
		key := &known[i]
		if head.KeyID != "" && key.KeyID != head.KeyID || key.Algorithm != "" && key.Algorithm != head.Algorithm || key.Use == "enc" {
			continue
		}
		said, err := signed.Verify(key)
		if err == nil || head.KeyID != "" {
			return said, err
		}
	}
	return nil, errUnknownKey
}

// refresh asks the issuer for its keys if they are old, or wanted and not there, unless it was asked a moment ago. One request asks, and
// those that want keys which are not there wait for it.
func (k *keys) refresh(ctx context.Context, unknown bool) {
	k.mu.Lock()
	now, pause := k.now(), askPause
	if len(k.mu.known) == 0 {
		pause = emptyPause
	}
	asking := k.mu.asking
	switch {
	case !unknown && now.Sub(k.mu.fetched) < ageMax, asking == nil && !k.mu.asked.IsZero() && now.Sub(k.mu.asked) < pause, asking != nil && !unknown:
		k.mu.Unlock()
		return
	case asking != nil:
		k.mu.Unlock()
		select {
		case <-asking:
		case <-ctx.Done():
		}
		return
	}
	asking = make(chan struct{})
	k.mu.asking, k.mu.asked = asking, now
	url := k.mu.url
	k.mu.Unlock()

	// Others wait too: it does not end with this request.
	asked, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
	defer cancel()
	url, found, err := k.ask(asked, url)

	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.asking = nil
	close(asking)
	if err != nil {
		k.logger.Warn("the OIDC issuer does not tell its keys; those that are known stay in use",
			slog.String("issuer", k.issuer), slog.Int("known", len(k.mu.known)), slog.Any("error", err))
		return
	}
	k.mu.url, k.mu.known, k.mu.fetched = url, found, now
}

// ask returns the issuer's keys, and where they are if url does not say so.
func (k *keys) ask(ctx context.Context, url string) (string, []jose.JSONWebKey, error) {
	if url == "" {
		provider, err := gooidc.NewProvider(gooidc.ClientContext(ctx, k.client), k.issuer)
		if err != nil {
			return "", nil, err
		}
		var said struct {
			JWKS string `json:"jwks_uri"`
		}
		if err := provider.Claims(&said); err != nil {
			return "", nil, err
		}
		if err := checkIssuer(said.JWKS); err != nil {
			return "", nil, fmt.Errorf("jwks_uri %q %w", said.JWKS, err)
		}
		url = said.JWKS
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", nil, err
	}
	response, err := k.client.Do(request)
	if err != nil {
		return "", nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(response.Body).Decode(&set); err != nil {
		return "", nil, fmt.Errorf("%s: %w", url, err)
	}
	public := make([]jose.JSONWebKey, 0, len(set.Keys))
	for _, key := range set.Keys {
		if key.IsPublic() && key.Valid() {
			public = append(public, key)
		}
	}
	if len(public) == 0 {
		return "", nil, fmt.Errorf("%s: it has no public key", url)
	}
	return url, public, nil
}
