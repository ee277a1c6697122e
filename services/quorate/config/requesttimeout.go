package config

import "time"

// requestTimeoutBase is how long queues and disks may hold up a request; elections come on top. Both are as in etcd.
const requestTimeoutBase = 5 * time.Second

// RequestTimeout is how long a request may take.
func (c Config) RequestTimeout() time.Duration { return requestTimeoutBase + 2*c.ElectionTimeout }
