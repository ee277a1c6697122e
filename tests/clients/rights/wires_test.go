package rights

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/quoratedb/quorate/tests/harness"
)

// method is one that a store has, with what the wires need to know of it.
type method struct {
	protoreflect.MethodDescriptor
}

// methodOf finds "Service.Method" in whichever package has it.
func methodOf(name string) method {
	for _, in := range []string{"etcdserverpb", "v3lockpb", "v3electionpb", "quorate.v1", "quorate.console.v1"} {
		if found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(in + "." + name)); err == nil {
			return method{found.(protoreflect.MethodDescriptor)}
		}
	}
	panic("there is no " + name)
}

// ofBrowsers tells the methods that only browsers call: gRPC has them not.
func (m method) ofBrowsers() bool { return m.Parent().ParentFile().Package() == "quorate.console.v1" }

func (m method) path() string { return fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()) }

func (m method) answer() proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		panic(err)
	}
	return kind.New().Interface()
}

// jsonPath is where a gateway has the method; empty for one that is left out.
func (m method) jsonPath() string {
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	return rule.GetPost()
}

func (m method) streams() bool { return m.IsStreamingClient() || m.IsStreamingServer() }

// wire is a way to call. It sends one request and returns the first answer; the error is one of gRPC's.
type wire struct {
	name string
	has  func(method) bool
	call func(ctx context.Context, l *locked, m method, token string, request proto.Message) (proto.Message, error)
}

func wires() []wire {
	all := func(method) bool { return true }
	named := []wire{
		{"gRPC", func(m method) bool { return !m.ofBrowsers() }, callGRPC},
		{"JSON", func(m method) bool { return m.jsonPath() != "" }, callJSON},
	}
	if harness.IsPeer() {
		return named
	}
	return append(named, wire{"Connect", all, callConnect}, wire{"gRPC-Web", all, callWeb})
}

func callGRPC(ctx context.Context, l *locked, m method, token string, request proto.Message) (proto.Message, error) {
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", token)
	}
	answer := m.answer()
	if !m.streams() {
		return answer, l.conn.Invoke(ctx, m.path(), request, answer)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := l.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, m.path())
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(request); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !m.IsStreamingClient() {
		if err := stream.CloseSend(); err != nil {
			return nil, err
		}
	}
	if err := stream.RecvMsg(answer); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return answer, nil
}

var (
	plain = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	both  = func() *http.Client {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		return &http.Client{Transport: &http.Transport{Protocols: protocols}}
	}()
)

// post sends a request whose body stays open, where the method's client streams, until close is called.
func post(ctx context.Context, l *locked, m method, path string, body []byte, header map[string]string) (resp *http.Response, end func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	client, content := plain, io.Reader(bytes.NewReader(body))
	stop := func() { cancel() }
	if m.IsStreamingClient() && path == m.path() {
		open, hold := io.Pipe()
		client, content = both, io.MultiReader(content, open)
		stop = func() { cancel(); hold.Close() }
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.server.URL()+path, content)
	if err != nil {
		stop()
		return nil, nil, err
	}
	for name, value := range header {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if resp, err = client.Do(request); err != nil {
		stop()
		return nil, nil, err
	}
	return resp, func() { stop(); resp.Body.Close() }, nil
}

func callJSON(ctx context.Context, l *locked, m method, token string, request proto.Message) (proto.Message, error) {
	body, err := protojson.Marshal(request)
	if err != nil {
		return nil, err
	}
	resp, end, err := post(ctx, l, m, m.jsonPath(), body, map[string]string{"Content-Type": "application/json", "Authorization": token})
	if err != nil {
		return nil, err
	}
	defer end()
	var raw json.RawMessage
	switch err := json.NewDecoder(resp.Body).Decode(&raw); {
	case err == io.EOF && m.streams():
		return m.answer(), nil
	case err != nil:
		return nil, fmt.Errorf("an answer with status %d: %w", resp.StatusCode, err)
	}
	if m.streams() {
		var part struct{ Result, Error json.RawMessage }
		if err := json.Unmarshal(raw, &part); err != nil {
			return nil, err
		}
		if part.Error != nil {
			return nil, jsonError(part.Error)
		}
		raw = part.Result
	}
	if resp.StatusCode != http.StatusOK {
		return nil, jsonError(raw)
	}
	answer := m.answer()
	return answer, protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(raw, answer)
}

func jsonError(raw []byte) error {
	var failure struct {
		Code    codes.Code
		Message string
	}
	if err := json.Unmarshal(raw, &failure); err != nil {
		return fmt.Errorf("an error that says %s: %w", raw, err)
	}
	return status.Error(failure.Code, failure.Message)
}

func callConnect(ctx context.Context, l *locked, m method, token string, request proto.Message) (proto.Message, error) {
	body, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	header := map[string]string{"Content-Type": "application/proto", "Connect-Protocol-Version": "1"}
	if token != "" {
		header["Authorization"] = "Bearer " + token
	}
	if m.streams() {
		header["Content-Type"], body = "application/connect+proto", framed(body)
	}
	resp, end, err := post(ctx, l, m, m.path(), body, header)
	if err != nil {
		return nil, err
	}
	defer end()
	answer := m.answer()
	if m.streams() {
		flag, payload, err := readFrame(resp.Body)
		switch {
		case err != nil:
			return nil, err
		case flag&2 == 0:
			return answer, proto.Unmarshal(payload, answer)
		}
		var last struct{ Error json.RawMessage }
		if err := json.Unmarshal(payload, &last); err != nil || last.Error == nil {
			return answer, err
		}
		return nil, connectError(last.Error)
	}
	payload, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode != http.StatusOK:
		return nil, connectError(payload)
	}
	return answer, proto.Unmarshal(payload, answer)
}

func connectError(raw []byte) error {
	var failure struct{ Code, Message string }
	if err := json.Unmarshal(raw, &failure); err != nil {
		return fmt.Errorf("an error that says %s: %w", raw, err)
	}
	var code codes.Code
	if err := code.UnmarshalJSON([]byte(strconv.Quote(strings.ToUpper(failure.Code)))); err != nil {
		return err
	}
	return status.Error(code, failure.Message)
}

func callWeb(ctx context.Context, l *locked, m method, token string, request proto.Message) (proto.Message, error) {
	body, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	header := map[string]string{"Content-Type": "application/grpc-web+proto", "Token": token}
	resp, end, err := post(ctx, l, m, m.path(), framed(body), header)
	if err != nil {
		return nil, err
	}
	defer end()
	if number := resp.Header.Get("Grpc-Status"); number != "" && number != "0" {
		return nil, webError(number, resp.Header.Get("Grpc-Message"))
	}
	flag, payload, err := readFrame(resp.Body)
	if err != nil {
		return nil, err
	}
	answer := m.answer()
	if flag&0x80 == 0 {
		return answer, proto.Unmarshal(payload, answer)
	}
	trailer := map[string]string{}
	for line := range strings.SplitSeq(string(payload), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		trailer[strings.ToLower(name)] = strings.TrimSpace(value)
	}
	if trailer["grpc-status"] == "0" {
		return answer, nil
	}
	return nil, webError(trailer["grpc-status"], trailer["grpc-message"])
}

func webError(number, text string) error {
	code, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	if text, err = url.PathUnescape(text); err != nil {
		return err
	}
	return status.Error(codes.Code(code), text)
}

func framed(message []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

func readFrame(from io.Reader) (flag byte, payload []byte, err error) {
	var header [5]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return 0, nil, fmt.Errorf("the head of a frame: %w", err)
	}
	payload = make([]byte, binary.BigEndian.Uint32(header[1:]))
	if _, err := io.ReadFull(from, payload); err != nil {
		return 0, nil, fmt.Errorf("a frame: %w", err)
	}
	return header[0], payload, nil
}
