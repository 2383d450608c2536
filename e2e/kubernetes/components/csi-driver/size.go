package main

import (
	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	mebibyte = 1 << 20
	// smallest is what mkfs.xfs needs, 300 MB, with some room.
	smallest = 320 * mebibyte
	// usual is the size of a volume for which nobody asked a size.
	usual = 1024 * mebibyte
)

// sizeFor chooses the size of a volume in bytes: what is required, rounded up
// to whole mebibytes and to what XFS needs, within the limit.
func sizeFor(wanted *csi.CapacityRange) (int64, error) {
	required, limit := wanted.GetRequiredBytes(), wanted.GetLimitBytes()
	if required < 0 || limit < 0 {
		return 0, status.Errorf(codes.InvalidArgument, "a negative size: required %d, limit %d", required, limit)
	}
	size := required
	if size == 0 {
		size = usual
		if limit > 0 {
			size = min(size, limit/mebibyte*mebibyte)
		}
	}
	size = max(smallest, roundUp(size))
	if limit > 0 && size > limit {
		return 0, status.Errorf(codes.OutOfRange, "at most %d bytes are allowed, but %d are needed", limit, size)
	}
	return size, nil
}

// roundUp goes to the next whole mebibyte, or stays for a size so large that
// there is none.
func roundUp(size int64) int64 {
	if up := (size + mebibyte - 1) / mebibyte * mebibyte; up > 0 {
		return up
	}
	return size
}

// fits says whether a volume of this size is what was wanted.
func fits(size int64, wanted *csi.CapacityRange) bool {
	limit := wanted.GetLimitBytes()
	return size >= wanted.GetRequiredBytes() && (limit == 0 || size <= limit)
}
