package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3electionpb"
	"github.com/quoratedb/quorate/services/api/internal/etcdconnect/v3lockpb"
)

// registerMore adds what etcd's module of messages has no routes for: its paths of locks and elections, and one for RangeStream, which etcd does
// not serve in JSON.
func registerMore(mux *runtime.ServeMux, conn grpc.ClientConnInterface) error {
	const lock, election = "/v3lockpb.Lock/", "/v3electionpb.Election/"
	return errors.Join(
		stream[etcdserverpb.RangeRequest, etcdserverpb.RangeStreamResponse](mux, conn, "/v3/kv/rangestream", etcdserverpb.KV_RangeStream_FullMethodName),
		unary[v3lockpb.LockRequest, v3lockpb.LockResponse](mux, conn, "/v3/lock/lock", lock+"Lock"),
		unary[v3lockpb.UnlockRequest, v3lockpb.UnlockResponse](mux, conn, "/v3/lock/unlock", lock+"Unlock"),
		unary[v3electionpb.CampaignRequest, v3electionpb.CampaignResponse](mux, conn, "/v3/election/campaign", election+"Campaign"),
		unary[v3electionpb.ProclaimRequest, v3electionpb.ProclaimResponse](mux, conn, "/v3/election/proclaim", election+"Proclaim"),
		unary[v3electionpb.LeaderRequest, v3electionpb.LeaderResponse](mux, conn, "/v3/election/leader", election+"Leader"),
		stream[v3electionpb.LeaderRequest, v3electionpb.LeaderResponse](mux, conn, "/v3/election/observe", election+"Observe"),
		unary[v3electionpb.ResignRequest, v3electionpb.ResignResponse](mux, conn, "/v3/election/resign", election+"Resign"),
	)
}

// message is a *T that is a message.
type message[T any] interface {
	*T
	proto.Message
}

// unary routes a path to a method with one answer.
func unary[Req, Resp any, PReq message[Req], PResp message[Resp]](mux *runtime.ServeMux, conn grpc.ClientConnInterface, path, method string) error {
	return route[Req, PReq](mux, path, method, func(ctx context.Context, out runtime.Marshaler, w http.ResponseWriter, r *http.Request, request proto.Message) {
		answer := PResp(new(Resp))
		var metadata runtime.ServerMetadata
		err := conn.Invoke(ctx, method, request, answer, grpc.Header(&metadata.HeaderMD), grpc.Trailer(&metadata.TrailerMD))
		ctx = runtime.NewServerMetadataContext(ctx, metadata)
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		runtime.ForwardResponseMessage(ctx, mux, out, w, r, answer)
	})
}

// stream routes a path to a method with one request and any number of answers.
func stream[Req, Resp any, PReq message[Req], PResp message[Resp]](mux *runtime.ServeMux, conn grpc.ClientConnInterface, path, method string) error {
	return route[Req, PReq](mux, path, method, func(ctx context.Context, out runtime.Marshaler, w http.ResponseWriter, r *http.Request, request proto.Message) {
		answers, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
		if err == nil {
			err = errors.Join(answers.SendMsg(request), answers.CloseSend())
		}
		if err != nil {
			runtime.HTTPError(ctx, mux, out, w, r, err)
			return
		}
		// No headers are waited for: they come with the first answer, which may be a long time.
		ctx = runtime.NewServerMetadataContext(ctx, runtime.ServerMetadata{})
		runtime.ForwardResponseStream(ctx, mux, out, w, r, func() (proto.Message, error) {
			answer := PResp(new(Resp))
			err := answers.RecvMsg(answer)
			return answer, err
		})
	})
}

// route reads the request of a path and hands it on, with the headers that count as the call's metadata.
func route[Req any, PReq message[Req]](
	mux *runtime.ServeMux, path, method string,
	handle func(ctx context.Context, out runtime.Marshaler, w http.ResponseWriter, r *http.Request, request proto.Message),
) error {
	return mux.HandlePath(http.MethodPost, path, func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		in, out := runtime.MarshalerForRequest(mux, r)
		ctx, err := runtime.AnnotateContext(ctx, mux, r, method, runtime.WithHTTPPathPattern(path))
		if err != nil {
			runtime.HTTPError(r.Context(), mux, out, w, r, err)
			return
		}
		request := PReq(new(Req))
		if err := in.NewDecoder(r.Body).Decode(request); err != nil && !errors.Is(err, io.EOF) {
			runtime.HTTPError(ctx, mux, out, w, r, status.Errorf(codes.InvalidArgument, "%v", err))
			return
		}
		handle(ctx, out, w, r, request)
	})
}
