package v2

import (
	"encoding/json"
	"net/http"
	"strconv"

	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// code is the number of an error, as clients know it.
type code int

const (
	codeNoAccess          code = 110
	codePrevValueRequired code = 201
	codeTTLNotNumber      code = 202
	codeIndexNotNumber    code = 203
	codeInvalidField      code = 209
	codeInvalidForm       code = 210
	codeRefreshValue      code = 211
	codeRefreshTTL        code = 212
	codeRaftInternal      code = 300
	codeHistoryCleared    code = 401
)

// meaning is how a code is sent.
type meaning struct {
	status  int
	message string
}

var meanings = map[code]meaning{
	code(consensusv1.TreeFailure_CODE_NOT_FOUND):           {http.StatusNotFound, "Key not found"},
	code(consensusv1.TreeFailure_CODE_COMPARE_FAILED):      {http.StatusPreconditionFailed, "Compare failed"},
	code(consensusv1.TreeFailure_CODE_NOT_FILE):            {http.StatusForbidden, "Not a file"},
	code(consensusv1.TreeFailure_CODE_NOT_DIRECTORY):       {http.StatusBadRequest, "Not a directory"},
	code(consensusv1.TreeFailure_CODE_EXISTS):              {http.StatusPreconditionFailed, "Key already exists"},
	code(consensusv1.TreeFailure_CODE_ROOT_READ_ONLY):      {http.StatusBadRequest, "Root is read only"},
	code(consensusv1.TreeFailure_CODE_DIRECTORY_NOT_EMPTY): {http.StatusForbidden, "Directory not empty"},

	codeNoAccess:          {http.StatusUnauthorized, "The request requires user authentication"},
	codePrevValueRequired: {http.StatusBadRequest, "PrevValue is Required in POST form"},
	codeTTLNotNumber:      {http.StatusBadRequest, "The given TTL in POST form is not a number"},
	codeIndexNotNumber:    {http.StatusBadRequest, "The given index in POST form is not a number"},
	codeInvalidField:      {http.StatusBadRequest, "Invalid field"},
	codeInvalidForm:       {http.StatusBadRequest, "Invalid POST form"},
	codeRefreshValue:      {http.StatusBadRequest, "Value provided on refresh"},
	codeRefreshTTL:        {http.StatusBadRequest, "A TTL must be provided on refresh"},
	codeRaftInternal:      {http.StatusInternalServerError, "Raft Internal Error"},
	codeHistoryCleared:    {http.StatusBadRequest, "The event in requested index is outdated and cleared"},
}

// keysError is an error of /v2/keys, as it is sent. Index is the store's where the store said no, else 0.
type keysError struct {
	Code    code   `json:"errorCode"`
	Message string `json:"message"`
	Cause   string `json:"cause,omitempty"`
	Index   int64  `json:"index"`
}

func newKeysError(c code, cause string) *keysError {
	return &keysError{Code: c, Message: meanings[c].message, Cause: cause}
}

// storeError is what an error of the store becomes.
func storeError(f *consensusv1.TreeFailure, index int64) *keysError {
	made := newKeysError(code(f.GetCode()), string(f.GetCause()))
	made.Index = index
	return made
}

// write sends the error.
func (f *keysError) write(w http.ResponseWriter) {
	setEtcdIndex(w, f.Index)
	writeJSON(w, meanings[f.Code].status, f)
}

// writeEvent sends an event, as a whole answer.
func writeEvent(w http.ResponseWriter, status int, e *event) {
	e.encoded(func(line []byte) { writeBody(w, status, line) })
}

// writeJSON sends a whole answer.
func writeJSON(w http.ResponseWriter, status int, message any) {
	body, err := json.Marshal(message)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeBody(w, status, append(body, '\n'))
}

// shortBytesMax is as much as net/http holds back until it knows whether more comes.
const shortBytesMax = 2 << 10

// jsonType is the kind of all answers: nobody changes a header's values, only which it has.
var jsonType = []string{"application/json"}

// writeBody leaves the length of a short body, which goes out with the head, to net/http: it needs no room among the headers for it.
func writeBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if len(body) > shortBytesMax {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that left does not miss it
}
