// Package console asks the console's service, with JSON as the page in the browser does, for all that it shows and changes.
package console
