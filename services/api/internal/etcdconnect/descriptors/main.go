// Command descriptors writes a FileDescriptorSet of etcd's rpc.proto and everything it imports to standard output,
// as buf takes it for an image. The descriptors are those that etcd's published Go module carries. Behind them are those
// of the .proto files below protos, which build on them.
package main

import (
	"context"
	"errors"
	"log"
	"os"

	"github.com/bufbuild/protocompile"
	"go.etcd.io/etcd/api/v3/authpb"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/versionpb"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// published names the files of etcd's own that rpc.proto needs by the paths that .proto files import them by. The
// generated Go registers them under shorter names, so that the registry cannot resolve those imports.
var published = map[string]protoreflect.FileDescriptor{
	"etcd/api/mvccpb/kv.proto":         mvccpb.File_kv_proto,
	"etcd/api/authpb/auth.proto":       authpb.File_auth_proto,
	"etcd/api/versionpb/version.proto": versionpb.File_version_proto,
}

func main() {
	set := &descriptorpb.FileDescriptorSet{}
	add(set, "rpc.proto", etcdserverpb.File_rpc_proto, make(map[string]bool))
	if err := compile(set, "v3lockpb/v3lock.proto", "v3electionpb/v3election.proto"); err != nil {
		log.Fatal(err)
	}
	image, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := os.Stdout.Write(image); err != nil {
		log.Fatal(err)
	}
}

// add appends file under the name path to the set, behind everything that it imports, each file once.
func add(set *descriptorpb.FileDescriptorSet, path string, file protoreflect.FileDescriptor, seen map[string]bool) {
	if seen[path] {
		return
	}
	seen[path] = true
	imports := file.Imports()
	for i := range imports.Len() {
		imported := imports.Get(i).FileDescriptor
		if of, ok := published[imported.Path()]; ok {
			add(set, imported.Path(), of, seen)
		} else {
			add(set, imported.Path(), imported, seen)
		}
	}
	described := protodesc.ToFileDescriptorProto(file)
	described.Name = proto.String(path)
	set.File = append(set.File, described)
}

// compile adds what the .proto files of the given paths below protos say, to a set that has what they import.
func compile(set *descriptorpb.FileDescriptorSet, paths ...string) error {
	imports, err := protodesc.NewFiles(set)
	if err != nil {
		return err
	}
	compiler := protocompile.Compiler{
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{"protos"}},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				found, err := imports.FindFileByPath(path)
				return protocompile.SearchResult{Desc: found}, err
			}),
		},
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(context.Background(), paths...)
	if err != nil {
		return err
	}
	for _, path := range paths {
		file := files.FindFileByPath(path)
		if file == nil {
			return errors.New("not compiled: " + path)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	return nil
}
