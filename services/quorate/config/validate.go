package config

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quoratedb/quorate/pkg/founders"
	"github.com/quoratedb/quorate/pkg/tlsconfig"
	"github.com/quoratedb/quorate/services/api"
)

// Bounds of what may be configured. The first two are etcd's.
const (
	// electionTimeoutMax keeps a cluster whose leader died from being without one for longer than a minute.
	electionTimeoutMax = 50 * time.Second
	// heartbeatsPerElectionMin leaves a follower room to miss some heartbeats before it asks for an election.
	heartbeatsPerElectionMin = 5
	// requestBytesMax is what a log entry of one command can hold.
	requestBytesMax = 1 << 30
)

// errConflict is etcd's, to the letter.
var errConflict = errors.New(`multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery-endpoints" or "discovery-srv"`)

// Validate reports everything that is wrong with the configuration at once, each problem under the name of the flag
// that sets it and with its value. It looks at nothing but c: no file is opened and no address looked up.
func (c Config) Validate() error {
	var found problems
	c.checkName(&found)
	c.checkClientURLs(&found)
	c.checkAdvertised(&found)
	c.checkPeerURLs(&found)
	c.checkAddresses(&found, slices.Concat(c.clientAddresses(), c.memberAddresses()))
	c.checkCluster(&found)
	c.checkTiming(&found)
	c.checkLimits(&found)
	c.checkTokens(&found)
	checkPasswords(c, &found)
	c.NATS.check(&found)
	c.checkTLS(&found, "", c.clientTLS(), c.ClientAutoTLS, c.clientURLs())
	c.checkTLS(&found, "peer-", c.peerTLS(), c.PeerAutoTLS, c.ListenPeerURLs)
	c.checkTLSIsUsed(&found)
	found.join(c.Audit.Validate())
	found.join(c.Rates.Validate())
	found.join(c.Outside.OIDC.Validate())
	found.join(c.Tracing.Validate())
	if c.Outside.SPIFFEUsersFile != "" && !c.ClientTLS.ClientCertAuth {
		found.add("auth-spiffe-users", c.Outside.SPIFFEUsersFile, "has no effect without --client-cert-auth")
	}
	c.checkPolicy(&found)
	c.checkLogging(&found)
	return errors.Join(found...)
}

// ValidateMember is Validate for a member that has no clients' side: only what concerns the member is looked at.
func (c Config) ValidateMember() error {
	var found problems
	c.checkName(&found)
	eachURL(&found, "advertise-client-urls", c.AdvertiseClientURLs, CheckReachable)
	c.checkPeerURLs(&found)
	c.checkAddresses(&found, c.memberAddresses())
	c.checkCluster(&found)
	c.checkTiming(&found)
	checkPasswords(c, &found)
	c.checkTLS(&found, "peer-", c.peerTLS(), c.PeerAutoTLS, c.ListenPeerURLs)
	c.checkPolicy(&found)
	c.checkLogging(&found)
	return errors.Join(found...)
}

// ValidateClients is Validate for a clients' side that has no member: only what concerns clients is looked at.
func (c Config) ValidateClients() error {
	var found problems
	c.checkName(&found)
	c.checkClientURLs(&found)
	eachURL(&found, "advertise-client-urls", c.AdvertiseClientURLs, CheckReachable)
	c.checkAddresses(&found, c.clientAddresses())
	c.checkKeepAlives(&found)
	c.checkLimits(&found)
	c.checkTokens(&found)
	c.checkTLS(&found, "", c.clientTLS(), c.ClientAutoTLS, c.clientURLs())
	c.checkTLSIsUsed(&found)
	found.join(c.Audit.Validate())
	found.join(c.Rates.Validate())
	found.join(c.Outside.OIDC.Validate())
	if c.Outside.SPIFFEUsersFile != "" && !c.ClientTLS.ClientCertAuth {
		found.add("auth-spiffe-users", c.Outside.SPIFFEUsersFile, "has no effect without --client-cert-auth")
	}
	c.checkPolicy(&found)
	c.checkLogging(&found)
	return errors.Join(found...)
}

// ValidateNode is Validate for a node that has neither: its name, log and metrics.
func (c Config) ValidateNode() error {
	var found problems
	c.checkName(&found)
	eachURL(&found, "listen-metrics-urls", c.ListenMetricsURLs, CheckBind)
	c.checkPolicy(&found)
	c.checkLogging(&found)
	return errors.Join(found...)
}

// ValidateTiming is Validate for the interval and the timeout of elections alone.
func (c Config) ValidateTiming() error {
	var found problems
	c.checkTiming(&found)
	return errors.Join(found...)
}

// ValidateNATS reports what is wrong with the listener for NATS clients.
func (c Config) ValidateNATS() error {
	var found problems
	c.NATS.check(&found)
	return errors.Join(found...)
}

func (c Config) checkName(found *problems) {
	if c.Name == "" {
		found.add("name", "", "a member needs a name")
	}
}

func requireURLs(found *problems, flag string, texts []string, check func(*url.URL) error) {
	if len(texts) == 0 {
		found.add(flag, "", "at least one URL is needed")
	}
	eachURL(found, flag, texts, check)
}

func (c Config) checkClientURLs(found *problems) {
	requireURLs(found, "listen-client-urls", c.ListenClientURLs, CheckBind)
	eachURL(found, "listen-client-http-urls", c.ListenClientHTTPURLs, CheckBind)
	eachURL(found, "listen-legacy-urls", c.ListenLegacyURLs, CheckBind)
	eachURL(found, "listen-metrics-urls", c.ListenMetricsURLs, CheckBind)
	if c.MetricsLevel != MetricsBasic && c.MetricsLevel != MetricsExtensive {
		found.add("metrics", c.MetricsLevel, "is %q or %q", MetricsBasic, MetricsExtensive)
	}
	for _, origin := range c.CORS {
		if u, err := url.Parse(origin); origin != "*" && (err != nil || u.Scheme == "" || u.Host == "") {
			found.add("cors", origin, `an origin is scheme://host, or "*" for all`)
		}
	}
}

func (c Config) checkAdvertised(found *problems) {
	eachURL(found, "advertise-client-urls", c.AdvertiseClientURLs, CheckReachable)
	if len(c.AdvertiseClientURLs) > 0 {
		return
	}
	for _, text := range c.ListenClientURLs {
		if u, err := founders.ParseURL(text); err == nil && listensEverywhere(u) {
			found.add("advertise-client-urls", "", "is needed, because --listen-client-urls=%s does not say where others reach it", text)
		}
	}
}

func (c Config) checkPeerURLs(found *problems) {
	requireURLs(found, "listen-peer-urls", c.ListenPeerURLs, CheckBind)
	requireURLs(found, "initial-advertise-peer-urls", c.InitialAdvertisePeerURLs, CheckReachable)
}

// listened is what one flag has listened on.
type listened struct {
	flag string
	urls []string
	// eitherScheme says that one address may be given with http and with https.
	eitherScheme bool
}

func (c Config) clientAddresses() []listened {
	return []listened{
		{"listen-client-urls", c.ListenClientURLs, true},
		{"listen-client-http-urls", c.ListenClientHTTPURLs, true},
		{"listen-legacy-urls", c.ListenLegacyURLs, false},
		{"listen-metrics-urls", c.ListenMetricsURLs, false},
	}
}

func (c Config) memberAddresses() []listened {
	return []listened{{"listen-peer-urls", c.ListenPeerURLs, false}}
}

// checkAddresses wants each address to be listened on once. Only clients may come with http and https at one, if one flag says so, as with etcd.
func (c Config) checkAddresses(found *problems, all []listened) {
	taken := map[string]string{}
	for _, each := range all {
		for _, text := range each.urls {
			u, err := founders.ParseURL(text)
			if err != nil || u.Port() == "0" {
				continue // reported already, or another port each time
			}
			_, where := address(u)
			if first := taken[where]; first != "" {
				if each.eitherScheme && first == "--"+each.flag+"="+otherScheme(u) {
					continue
				}
				found.add(each.flag, text, "its address is taken by %s", first)
				continue
			}
			taken[where] = "--" + each.flag + "=" + text
		}
	}
}

// otherScheme is a URL of http with https, and the other way round.
func otherScheme(u *url.URL) string {
	other := *u
	switch u.Scheme {
	case "http":
		other.Scheme = "https"
	case "https":
		other.Scheme = "http"
	}
	return other.String()
}

func (c Config) checkCluster(found *problems) {
	if c.InitialClusterState != ClusterNew && c.InitialClusterState != ClusterExisting {
		found.add("initial-cluster-state", c.InitialClusterState, "is %q or %q", ClusterNew, ClusterExisting)
	}
	c.checkDiscovery(found)
	if c.Discovers() {
		return // the rest is known at the first start
	}
	if Exists(filepath.Join(c.Directory(), "member")) {
		return // the first start was long ago, and the members and their URLs may have changed since
	}
	if _, err := c.Founders(); err != nil {
		found.addError("initial-cluster", c.InitialCluster, err)
	}
}

func (c Config) checkDiscovery(found *problems) {
	set := 0
	for _, given := range []bool{c.InitialCluster != "", c.DiscoverySRV != "", len(c.Discovery.Endpoints) > 0} {
		if given {
			set++
		}
	}
	if set > 1 {
		*found = append(*found, errConflict)
	}
	if c.DiscoverySRVName != "" && c.DiscoverySRV == "" {
		found.add("discovery-srv-name", c.DiscoverySRVName, "has no effect without --discovery-srv")
	}
	c.Discovery.check(found)
}

func (c Config) checkTiming(found *problems) {
	if c.HeartbeatInterval <= 0 {
		found.add("heartbeat-interval", milliseconds(c.HeartbeatInterval), "must be above zero")
	}
	switch {
	case c.ElectionTimeout <= 0:
		found.add("election-timeout", milliseconds(c.ElectionTimeout), "must be above zero")
	case c.ElectionTimeout < heartbeatsPerElectionMin*c.HeartbeatInterval:
		found.add("election-timeout", milliseconds(c.ElectionTimeout), "must be at least %d times --heartbeat-interval=%s", heartbeatsPerElectionMin, milliseconds(c.HeartbeatInterval))
	case c.ElectionTimeout > electionTimeoutMax:
		found.add("election-timeout", milliseconds(c.ElectionTimeout), "must be at most %s", milliseconds(electionTimeoutMax))
	}
	if _, _, err := c.Retention(); err != nil {
		*found = append(*found, err)
	}
	if c.CorruptCheckTime < 0 {
		found.add("corrupt-check-time", c.CorruptCheckTime.String(), "must not be negative")
	}
	c.checkKeepAlives(found)
}

func (c Config) checkKeepAlives(found *problems) {
	for _, each := range []struct {
		flag  string
		value time.Duration
	}{
		{"grpc-keepalive-min-time", c.GRPCKeepAliveMinTime},
		{"grpc-keepalive-interval", c.GRPCKeepAliveInterval},
		{"grpc-keepalive-timeout", c.GRPCKeepAliveTimeout},
		{"watch-progress-notify-interval", c.WatchProgressNotifyInterval},
	} {
		if each.value < 0 {
			found.add(each.flag, each.value, "must not be negative")
		}
	}
}

func (c Config) checkLimits(found *problems) {
	if c.MaxRequestBytes == 0 || c.MaxRequestBytes > requestBytesMax {
		found.add("max-request-bytes", c.MaxRequestBytes, "must be between 1 and %d", requestBytesMax)
	}
	if c.MaxTxnOps == 0 {
		found.add("max-txn-ops", c.MaxTxnOps, "must be above zero")
	}
	if c.MaxConcurrentStreams == 0 {
		found.add("max-concurrent-streams", c.MaxConcurrentStreams, "must be above zero")
	}
}

// Bounds of bcrypt's cost, and of a token's life, which is counted in nanoseconds somewhere.
const (
	bcryptCostMin   = 4
	bcryptCostMax   = 31
	authTokenTTLMax = uint(math.MaxInt64 / time.Second)
)

// checkTokens looks at what clients get for a password.
func (c Config) checkTokens(found *problems) {
	if c.AuthToken == "" {
		return // as api.NoAuthToken
	}
	found.addError("auth-token", c.AuthToken, api.CheckAuthToken(c.AuthToken))
}

// checkPasswords looks at what becomes of passwords, and of the tokens that the store makes.
func checkPasswords(c Config, found *problems) {
	if c.AuthTokenTTL == 0 || c.AuthTokenTTL > authTokenTTLMax {
		found.add("auth-token-ttl", c.AuthTokenTTL, "must be between 1 and %d seconds", authTokenTTLMax)
	}
	if c.BcryptCost < bcryptCostMin || c.BcryptCost > bcryptCostMax {
		found.add("bcrypt-cost", c.BcryptCost, "must be between %d and %d", bcryptCostMin, bcryptCostMax)
	}
}

// checkTLS looks at the TLS of one side, whose flags begin with prefix and whose URLs are given.
func (c Config) checkTLS(found *problems, prefix string, server tlsconfig.Server, auto bool, urls []string) {
	automatic := auto && server.CertFile == "" && server.KeyFile == ""
	switch {
	case automatic && c.SelfSignedCertValidity == 0:
		found.add("self-signed-cert-validity", c.SelfSignedCertValidity, "must be at least one year")
	case automatic && prefix == "peer-" && !server.Empty():
		found.add("peer-auto-tls", auto, "members show each other certificates then that nobody vouches for: leave it out, or the other --peer flags of TLS, which ask for more")
	case automatic: // the pair is made later
	case !server.Empty():
		found.join(server.Validate())
	default:
		for _, text := range urls {
			if u, err := founders.ParseURL(text); err == nil && Secure(u) {
				found.add(prefix+"cert-file", "", "is needed, with --%skey-file, to serve %s", prefix, text)
			}
		}
	}
}

func (c Config) checkTLSIsUsed(found *problems) {
	if (!c.ClientTLS.Empty() || c.ClientAutoTLS) && !AnySecure(c.clientURLs()) {
		found.add("listen-client-urls", strings.Join(c.ListenClientURLs, ","), "TLS is set up but no URL uses it: write https instead of http, or leave the TLS flags out")
	}
}

func (c Config) checkPolicy(found *problems) {
	if err := c.TLSPolicy.Validate(); err != nil {
		*found = append(*found, fmt.Errorf("--tls-min-version=%s --tls-max-version=%s --cipher-suites=%s: %w",
			c.TLSPolicy.MinVersion, c.TLSPolicy.MaxVersion, strings.Join(c.TLSPolicy.CipherSuites, ","), err))
	}
}

// milliseconds writes a duration as its flag takes it.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func (c Config) checkLogging(found *problems) {
	if c.Log != nil {
		return // it decides for itself
	}
	settings, err := c.logging()
	found.join(err)
	found.join(settings.Validate())
}
