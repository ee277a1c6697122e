// Package tree holds the rules of the v2 API's tree of files and directories, over an ordered store of keys: what a path
// shows, which change is declined and why, and what a change does. It stores nothing, and knows neither HTTP nor how
// revisions come about.
//
// A file is a key whose path is well-formed. Other keys are in no tree. A directory is one of three things: the root;
// what has a record, which is kept beside the keys; or, since others write keys without asking for directories, what has
// a file below it. Two rules keep sense in a key space that others write into:
//
//   - A key makes its path a file, whatever else is there: what lies below a file is hidden until the key is gone. So a
//     file never becomes a directory because somebody put a key below it.
//   - If a directory has a record, so have all above it. A change that makes a node in a directory without a record gives
//     it one, and a directory goes with all that is below it.
package tree
