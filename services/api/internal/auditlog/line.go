package auditlog

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

const (
	// keyBytesMax is how much of a key is written. Of a longer one its length and SHA-256 are.
	keyBytesMax = 4 << 10
	// spansMax is how many ranges are written; transactions have as many operations as --max-txn-ops says.
	spansMax = 1024
	// spanBytesMax bounds all ranges of a line together. Those left out are counted.
	spanBytesMax = 256 << 10
	// tailBytesMax is more than the part of a line has that is only known at the end.
	tailBytesMax = 256
	// nameBytesMax is how much of a name is written.
	nameBytesMax = 1 << 10
)

// head is the part of a line that is known before the request is carried out.
type head struct {
	Time     string     `json:"time"`
	ID       string     `json:"id"`
	User     string     `json:"user"`
	Proof    string     `json:"proof"`
	Peer     string     `json:"peer"`
	Method   string     `json:"method"`
	Subject  string     `json:"subject,omitempty"` // of NATS
	Ranges   []spanLine `json:"ranges,omitempty"`
	LeftOut  int        `json:"ranges_left_out,omitempty"`
	OfUser   string     `json:"of_user,omitempty"`
	OfRole   string     `json:"of_role,omitempty"`
	OfLease  string     `json:"of_lease,omitempty"`
	OfMember string     `json:"of_member,omitempty"`
	// roles are the user's, for the policy; nil asks for them.
	roles func() []string
}

type spanLine struct {
	Access     string   `json:"access"`
	Key        keyLine  `json:"key"`
	End        *keyLine `json:"range_end,omitempty"`
	Lease      string   `json:"lease,omitempty"`
	ValueBytes *int     `json:"value_bytes,omitempty"`
	ValueHMAC  string   `json:"value_hmac,omitempty"`
}

// keyLine is a key: a text where it is one, else an object with its bytes in base64, or what stands for one that is too long.
type keyLine []byte

// MarshalJSON implements json.Marshaler.
func (k keyLine) MarshalJSON() ([]byte, error) {
	switch {
	case len(k) > keyBytesMax:
		sum := sha256.Sum256(k)
		return json.Marshal(map[string]any{"base64": base64.StdEncoding.EncodeToString(k[:keyBytesMax]), "bytes": len(k), "sha256": hex.EncodeToString(sum[:])})
	case utf8.Valid(k):
		return json.Marshal(string(k))
	}
	return json.Marshal(map[string]string{"base64": base64.StdEncoding.EncodeToString(k)})
}

func cut(name string) string {
	if len(name) > nameBytesMax {
		return name[:nameBytesMax]
	}
	return name
}

func hexOrNone(id uint64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatUint(id, 16)
}

// spanLines writes ranges as the level wants.
func spanLines(spans []span, level Level, key []byte) (lines []spanLine, leftOut int) {
	size := 0
	for i, s := range spans {
		size += min(len(s.key), keyBytesMax) + min(len(s.end), keyBytesMax)
		if i == spansMax || size > spanBytesMax {
			return lines, len(spans) - i
		}
		line := spanLine{Access: s.access, Key: s.key}
		if len(s.end) > 0 {
			line.End = (*keyLine)(&s.end)
		}
		if level == LevelRequest {
			line.Lease = hexOrNone(uint64(s.lease))
			if s.hasValue {
				n := len(s.value)
				line.ValueBytes, line.ValueHMAC = &n, digest(key, s.value)
			}
		}
		lines = append(lines, line)
	}
	return lines, 0
}

// digest is what stands for a value; empty without a key.
func digest(key, value []byte) string {
	if len(key) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(value)
	return hex.EncodeToString(mac.Sum(nil))
}

// encode returns the beginning of a line, to be closed with end.
func (h *head) encode() []byte {
	line, err := json.Marshal(h)
	if err != nil {
		panic(fmt.Sprintf("auditlog: a line that cannot be encoded: %v", err)) // there are only texts and numbers in it
	}
	return line[:len(line)-1]
}

// end completes a line.
func end(line []byte, o outcome, took time.Duration) []byte {
	line = append(line, `,"decision":"`...)
	line = append(line, o.decision()...)
	line = append(line, `","code":"`...)
	line = append(line, o.code...)
	line = append(line, `","revision":`...)
	line = strconv.AppendInt(line, o.revision, 10)
	line = append(line, `,"duration_us":`...)
	line = strconv.AppendInt(line, took.Microseconds(), 10)
	if o.lease != "" {
		line = append(line, `,"of_lease":"`...)
		line = append(line, o.lease...)
		line = append(line, '"')
	}
	if o.digest != "" {
		line = append(line, `,"value_hmac":"`...)
		line = append(line, o.digest...)
		line = append(line, '"')
	}
	return append(line, "}\n"...)
}

// outcome is what came of a request.
type outcome struct {
	code     string // gRPC's name, or the number of HTTP's status
	refused  bool
	ended    bool  // what was allowed is over, because the right to it is
	revision int64 // 0 where the answer has none
	digest   string
	lease    string // of a keep-alive
}

func (o outcome) decision() string {
	switch {
	case o.ended:
		return "ended"
	case o.refused:
		return "refused"
	}
	return "allowed"
}
