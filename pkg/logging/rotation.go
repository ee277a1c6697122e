package logging

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/natefinch/lumberjack.v2"
)

// DefaultRotation is etcd's --log-rotation-config-json.
const DefaultRotation = `{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}`

// Rotation says how a log file is rotated. Its fields are those of etcd's flag.
type Rotation struct {
	// MaxSize is how many MiB a file may have before another one is begun; 0 is 100.
	MaxSize int `json:"maxsize"`
	// MaxAge is for how many days, and MaxBackups how many old files are kept; 0 keeps all.
	MaxAge     int  `json:"maxage"`
	MaxBackups int  `json:"maxbackups"`
	LocalTime  bool `json:"localtime"`
	Compress   bool `json:"compress"`
}

// ParseRotation reads --log-rotation-config-json. Errors name the flag.
func ParseRotation(text string) (*Rotation, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	rotation := &Rotation{}
	if err := decoder.Decode(rotation); err != nil {
		return nil, fmt.Errorf("--log-rotation-config-json=%s: %w", text, err)
	}
	if min(rotation.MaxSize, rotation.MaxAge, rotation.MaxBackups) < 0 {
		return nil, fmt.Errorf("--log-rotation-config-json=%s: a number is below 0", text)
	}
	return rotation, nil
}

var errRotatesOneFile = errors.New("--enable-log-rotation rotates one file: --log-outputs must name one, and nothing else that is a file")

func (r *Rotation) check(outputs []string) error {
	files := 0
	for _, name := range outputs {
		switch name {
		case "default", "stderr", "stdout", "systemd/journal", "/dev/null":
		default:
			files++
		}
	}
	if files != 1 {
		return errRotatesOneFile
	}
	return nil
}

func (r *Rotation) file(name string) *rotated {
	return &rotated{lumberjack.Logger{
		Filename: name, MaxSize: r.MaxSize, MaxAge: r.MaxAge, MaxBackups: r.MaxBackups, LocalTime: r.LocalTime, Compress: r.Compress,
	}}
}

// rotated is a file that rotates itself.
type rotated struct{ lumberjack.Logger }

// reopen has the next line open the file anew. It opens it now, to find out whether it can be.
func (r *rotated) reopen() error {
	if err := r.Logger.Close(); err != nil {
		return err
	}
	_, err := r.Write(nil)
	return err
}

func (r *rotated) close() error { return r.Logger.Close() }
