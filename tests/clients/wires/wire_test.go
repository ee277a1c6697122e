package wires

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/quoratedb/quorate/tests/harness"
)

// method is an RPC as the server describes it.
type method struct {
	protoreflect.MethodDescriptor
	full string // "package.Service/Method"
}

// request makes a message of JSON.
func (m *method) request(t *testing.T, text string) proto.Message {
	t.Helper()
	message := dynamicpb.NewMessage(m.Input())
	require.NoError(t, protojson.Unmarshal([]byte(text), message), text)
	return message
}

// text shows an answer as JSON without spaces, with the names of Connect's.
func (m *method) text(t *testing.T, answer proto.Message) string {
	t.Helper()
	shown, err := protojson.Marshal(answer)
	require.NoError(t, err)
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, shown))
	return compact.String()
}

// describe asks a server by gRPC reflection which RPCs of etcd's services it has.
func describe(t *testing.T, endpoint string) map[string]*method {
	t.Helper()
	conn, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(harness.Context(t))
	require.NoError(t, err)
	ask := func(request *grpc_reflection_v1.ServerReflectionRequest) *grpc_reflection_v1.ServerReflectionResponse {
		require.NoError(t, stream.Send(request))
		answer, err := stream.Recv()
		require.NoError(t, err)
		require.Nil(t, answer.GetErrorResponse())
		return answer
	}
	listed := ask(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	found, services := map[string]*method{}, 0
	for _, service := range listed.GetListServicesResponse().GetService() {
		name := protoreflect.FullName(service.GetName())
		if !strings.HasSuffix(string(name.Parent()), "pb") { // etcd's packages
			continue
		}
		services++
		answer := ask(&grpc_reflection_v1.ServerReflectionRequest{
			MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service.GetName()},
		})
		methods := serviceOf(t, answer.GetFileDescriptorResponse().GetFileDescriptorProto()[0], name).Methods()
		for i := range methods.Len() {
			m := &method{MethodDescriptor: methods.Get(i), full: service.GetName() + "/" + string(methods.Get(i).Name())}
			found[m.full] = m
		}
	}
	require.Equal(t, 8, services)
	return found
}

// serviceOf makes a service of the file that the server sent. What the file imports is etcd's published messages, which etcd's client has
// registered under other paths than files import them by.
func serviceOf(t *testing.T, encoded []byte, name protoreflect.FullName) protoreflect.ServiceDescriptor {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{}
	require.NoError(t, proto.Unmarshal(encoded, file))
	if known, err := protoregistry.GlobalFiles.FindDescriptorByName(name); err == nil {
		return known.(protoreflect.ServiceDescriptor)
	}
	for i, path := range file.GetDependency() {
		file.Dependency[i] = strings.TrimPrefix(path, "etcd/api/mvccpb/")
	}
	made, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	require.NoError(t, err)
	return made.Services().ByName(name.Name())
}

// wire makes calls in one protocol. Of a stream it sends one message and takes the first answer.
type wire interface {
	call(t *testing.T, m *method, path string, request proto.Message, token string) (proto.Message, error)
}

type grpcWire struct{ conn *grpc.ClientConn }

func openGRPC(t *testing.T, s *harness.Server) wire {
	conn, err := grpc.NewClient(s.Endpoint(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return grpcWire{conn}
}

func (w grpcWire) call(t *testing.T, m *method, _ string, request proto.Message, token string) (proto.Message, error) {
	answer := dynamicpb.NewMessage(m.Output())
	ctx := harness.Context(t)
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", token)
	}
	if !m.IsStreamingServer() {
		return answer, plain(w.conn.Invoke(ctx, "/"+m.full, request, answer))
	}
	stream, err := w.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: m.IsStreamingClient()}, "/"+m.full)
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(request))
	if !m.IsStreamingClient() {
		require.NoError(t, stream.CloseSend())
	}
	return answer, plain(stream.RecvMsg(answer))
}

// plain is the error's text alone, which all wires carry.
func plain(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(status.Convert(err).Message())
}

// httpWire is a wire over net/http, HTTP/2 without TLS.
type httpWire struct {
	server *harness.Server
	client *http.Client
	// kind is the content-type of a call, encode its body and decode its answer; gateway has it go to the path of JSON.
	kind    func(m *method) string
	encode  func(t *testing.T, m *method, request proto.Message) string
	decode  func(t *testing.T, m *method, resp *http.Response, answer proto.Message) error
	gateway bool
}

func (w httpWire) call(t *testing.T, m *method, path string, request proto.Message, token string) (proto.Message, error) {
	where := w.server.URL() + "/" + m.full
	if w.gateway {
		where = w.server.URL() + "/v3" + path
	}
	body, send := io.Pipe()
	defer send.Close()
	made, err := http.NewRequestWithContext(harness.Context(t), http.MethodPost, where, body)
	require.NoError(t, err)
	made.Header.Set("Content-Type", w.kind(m))
	if token != "" {
		made.Header.Set("Authorization", token)
	}
	go func() { // the body of a stream stays open until its answer is there
		_, _ = io.WriteString(send, w.encode(t, m, request))
		if !m.IsStreamingClient() {
			_ = send.Close()
		}
	}()
	resp, err := w.client.Do(made)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer := dynamicpb.NewMessage(m.Output())
	return answer, w.decode(t, m, resp, answer)
}

func openGRPCWeb(_ *testing.T, s *harness.Server) wire {
	return httpWire{
		server: s, client: http2(),
		kind: func(*method) string { return "application/grpc-web+proto" },
		encode: func(t *testing.T, _ *method, request proto.Message) string {
			encoded, err := proto.Marshal(request)
			require.NoError(t, err)
			return frame(string(encoded))
		},
		decode: func(t *testing.T, _ *method, resp *http.Response, answer proto.Message) error {
			if refused := resp.Header.Get("Grpc-Message"); refused != "" {
				return unescaped(t, refused)
			}
			flags, message := readFrame(t, resp.Body)
			if flags&0x80 == 0 {
				return proto.Unmarshal([]byte(message), answer)
			}
			for line := range strings.Lines(message) {
				if name, value, _ := strings.Cut(strings.TrimSpace(line), ":"); strings.EqualFold(name, "grpc-message") {
					return unescaped(t, strings.TrimSpace(value))
				}
			}
			return errors.New("no answer: " + message)
		},
	}
}

func unescaped(t *testing.T, text string) error {
	plain, err := url.PathUnescape(text)
	require.NoError(t, err)
	return errors.New(plain)
}

func openConnect(_ *testing.T, s *harness.Server) wire {
	return httpWire{
		server: s, client: http2(),
		kind: func(m *method) string {
			if m.IsStreamingServer() {
				return "application/connect+json"
			}
			return "application/json"
		},
		encode: func(t *testing.T, m *method, request proto.Message) string {
			encoded, err := protojson.Marshal(request)
			require.NoError(t, err)
			if m.IsStreamingServer() {
				return frame(string(encoded))
			}
			return string(encoded)
		},
		decode: func(t *testing.T, m *method, resp *http.Response, answer proto.Message) error {
			if m.IsStreamingServer() {
				flags, message := readFrame(t, resp.Body)
				require.Zero(t, flags&2, message)
				return protojson.Unmarshal([]byte(message), answer)
			}
			return jsonAnswer(t, resp, answer)
		},
	}
}

func openJSON(_ *testing.T, s *harness.Server) wire {
	return httpWire{
		server: s, client: http2(), gateway: true,
		kind: func(*method) string { return "application/json" },
		encode: func(t *testing.T, _ *method, request proto.Message) string {
			encoded, err := protojson.Marshal(request)
			require.NoError(t, err)
			return string(encoded)
		},
		decode: func(t *testing.T, m *method, resp *http.Response, answer proto.Message) error {
			if m.IsStreamingServer() {
				var wrapped struct {
					Result json.RawMessage `json:"result"`
				}
				require.NoError(t, json.NewDecoder(resp.Body).Decode(&wrapped))
				return protojson.Unmarshal(wrapped.Result, answer)
			}
			return jsonAnswer(t, resp, answer)
		},
	}
}

// jsonAnswer reads a whole body, which is an answer or says in its message why there is none.
func jsonAnswer(t *testing.T, resp *http.Response, answer proto.Message) error {
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if resp.StatusCode == http.StatusOK {
		return protojson.Unmarshal(body, answer)
	}
	var refusal struct {
		Message string `json:"message"`
	}
	require.NoError(t, json.Unmarshal(body, &refusal), string(body))
	return errors.New(refusal.Message)
}
