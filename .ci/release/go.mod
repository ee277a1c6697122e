module github.com/quoratedb/quorate/release

go 1.26.7

require golang.org/x/mod v0.30.0
