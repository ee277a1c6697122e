package etcddir

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// Request is one of the v2 API, as logs of etcd 3.4 and 3.5 hold it. A member of those publishes its name and URLs by one too.
type Request struct {
	// Method is PUT, POST, DELETE, QGET or SYNC.
	Method, Path, Value string
	Dir, Recursive      bool
	PrevValue           string
	PrevIndex           uint64
	// PrevExist and Refresh are nil where the request does not say.
	PrevExist, Refresh *bool
	// Expiration is when the node ends, 0 for never; Time is up to when SYNC ends what has expired. Both are nanoseconds since 1970.
	Expiration, Time int64
}

// V2Request returns the request of the v2 API that an entry holds, nil if it holds one of v3's. The two have different messages, whose fields do
// not say which is which: field 2 is the method in the one, and was a request of v2 in the other.
func V2Request(data []byte) (*Request, error) {
	r, nested, err := decodeRequest(data)
	if err != nil {
		return nil, err
	}
	switch r.Method {
	case "PUT", "POST", "DELETE", "QGET", "SYNC":
		return r, nil
	case "":
		return nil, nil
	}
	r, _, err = decodeRequest(nested)
	return r, err
}

func decodeRequest(data []byte) (r *Request, second []byte, err error) {
	r = &Request{}
	err = eachField(data, func(number protowire.Number, value uint64, field []byte) {
		holds := value != 0
		switch number {
		case 2:
			r.Method, second = string(field), field
		case 3:
			r.Path = string(field)
		case 4:
			r.Value = string(field)
		case 5:
			r.Dir = holds
		case 6:
			r.PrevValue = string(field)
		case 7:
			r.PrevIndex = value
		case 8:
			r.PrevExist = &holds
		case 9:
			r.Expiration = int64(value)
		case 12:
			r.Recursive = holds
		case 15:
			r.Time = int64(value)
		case 17:
			r.Refresh = &holds
		}
	})
	return r, second, err
}
