package main

import (
	"math"
	"testing"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestSizeFor(t *testing.T) {
	const gibibyte = 1024 * mebibyte
	for _, c := range []struct {
		name            string
		required, limit int64
		size            int64
		code            codes.Code
	}{
		{"nothing asked", 0, 0, usual, codes.OK},
		{"whole mebibytes stay", gibibyte, 0, gibibyte, codes.OK},
		{"rounded up", gibibyte + 1, 0, gibibyte + mebibyte, codes.OK},
		{"too small for xfs", 1, 0, smallest, codes.OK},
		{"only a limit", 0, 512 * mebibyte, 512 * mebibyte, codes.OK},
		{"a limit below the smallest", 0, smallest - 1, 0, codes.OutOfRange},
		{"rounding would break the limit", gibibyte + 1, gibibyte + 2, 0, codes.OutOfRange},
		{"exact", gibibyte, gibibyte, gibibyte, codes.OK},
		{"negative", -1, 0, 0, codes.InvalidArgument},
		{"the largest number", math.MaxInt64, 0, math.MaxInt64, codes.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			size, err := sizeFor(&csi.CapacityRange{RequiredBytes: c.required, LimitBytes: c.limit})
			if status.Code(err) != c.code || size != c.size {
				t.Errorf("got %d, %v; want %d, %v", size, err, c.size, c.code)
			}
		})
	}
	if size, err := sizeFor(nil); size != usual || err != nil {
		t.Errorf("without a range: %d, %v", size, err)
	}
}

func TestFits(t *testing.T) {
	for _, c := range []struct {
		size, required, limit int64
		fits                  bool
	}{
		{10, 0, 0, true}, {10, 10, 10, true}, {10, 11, 0, false}, {10, 0, 9, false},
	} {
		if got := fits(c.size, &csi.CapacityRange{RequiredBytes: c.required, LimitBytes: c.limit}); got != c.fits {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}
