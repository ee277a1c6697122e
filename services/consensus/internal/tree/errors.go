package tree

import (
	consensusv1 "github.com/quoratedb/quorate/pkg/gen/quorate/consensus/v1"
)

// treeError is why an operation is not carried out. It travels as an error inside this package only.
type treeError struct{ *consensusv1.TreeFailure }

func (f treeError) Error() string { return f.GetCode().String() + ": " + string(f.GetCause()) }

func newError(code consensusv1.TreeFailure_Code, cause []byte) error {
	return treeError{&consensusv1.TreeFailure{Code: code, Cause: append([]byte(nil), cause...)}}
}

func notFound(path []byte) error { return newError(consensusv1.TreeFailure_CODE_NOT_FOUND, path) }

func notFile(path []byte) error { return newError(consensusv1.TreeFailure_CODE_NOT_FILE, path) }

func notDirectory(path []byte) error {
	return newError(consensusv1.TreeFailure_CODE_NOT_DIRECTORY, path)
}

func exists(path []byte) error { return newError(consensusv1.TreeFailure_CODE_EXISTS, path) }

func rootReadOnly() error {
	return newError(consensusv1.TreeFailure_CODE_ROOT_READ_ONLY, []byte{separator})
}
