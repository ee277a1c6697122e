package batching

import batchv1 "github.com/quoratedb/quorate/pkg/gen/quorate/batch/v1"

// untaken are answers that wait to be sent, in order but for large ones whose callers take parts: these take turns, a part of
// one in each message, and hold up nobody else.
type untaken struct {
	small []*batchv1.Answer
	large []*batchv1.Answer
	bytes int
}

func (u *untaken) add(answer *batchv1.Answer, parts bool) {
	u.bytes += len(answer.GetResponse())
	if parts && len(answer.GetResponse()) > partBytesMax {
		u.large = append(u.large, answer)
	} else {
		u.small = append(u.small, answer)
	}
}

// full tells whether enough waits.
func (u *untaken) full() bool {
	return len(u.small)+len(u.large) >= untakenMax || u.bytes >= untakenBytesMax
}

// take returns the answers of the next message.
func (u *untaken) take() []*batchv1.Answer {
	size, n := 0, 0
	for _, answer := range u.small {
		size += len(answer.GetResponse())
		if n > 0 && size > batchBytesMax {
			break
		}
		n++
	}
	batch := u.small[:n:n]
	if n == len(u.small) {
		u.small = nil
	} else {
		u.small = u.small[n:]
	}
	if len(u.large) > 0 {
		batch = append(batch, u.part())
	}
	for _, answer := range batch {
		u.bytes -= len(answer.GetResponse())
	}
	return batch
}

// part takes a part off the large answer whose turn it is.
func (u *untaken) part() *batchv1.Answer {
	answer := u.large[0]
	u.large[0] = nil
	u.large = u.large[1:]
	if len(answer.GetResponse()) <= partBytesMax {
		return answer
	}
	part := &batchv1.Answer{Id: answer.GetId(), Response: answer.GetResponse()[:partBytesMax], More: true}
	answer.Response = answer.GetResponse()[partBytesMax:]
	u.large = append(u.large, answer)
	return part
}
