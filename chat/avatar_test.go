package chat

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// picture is a picture whose left half is red and whose right half is blue.
func picture(w, h int) *image.Paletted {
	img := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}})
	for y := range h {
		for x := w / 2; x < w; x++ {
			img.SetColorIndex(x, y, 1)
		}
	}
	return img
}

func encoded(t *testing.T, format string, img *image.Paletted) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, img)
	case "jpeg":
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: 95})
	case "gif":
		err = gif.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// redBlueWebP is the same picture as a lossless WebP file, with the simplest
// codes there are: one bit each for red and blue of a pixel.
func redBlueWebP(w, h int) []byte {
	var bits []byte
	put := func(v, n int) {
		for i := range n {
			bits = append(bits, byte(v>>i&1))
		}
	}
	put(0x2f, 8)
	put(w-1, 14)
	put(h-1, 14)
	put(0, 1+3+1+1+1)                                                           // no alpha, version 0, no transform, cache or groups
	one := func(symbol int) { put(1, 1); put(0, 1); put(1, 1); put(symbol, 8) } // a code of one symbol
	two := func() { put(1, 1); put(1, 1); put(1, 1); put(0, 8); put(255, 8) }
	one(0) // green
	two()  // red
	two()  // blue
	one(255)
	one(0) // distance
	for range h {
		for x := range w {
			if x < w/2 {
				put(0b01, 2)
			} else {
				put(0b10, 2)
			}
		}
	}
	data := make([]byte, (len(bits)+15)/16*2)
	for i, b := range bits {
		data[i/8] |= b << (i % 8)
	}
	out := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(data)+12))
	out = binary.LittleEndian.AppendUint32(append(out, "WEBPVP8L"...), uint32(len(data)))
	return append(out, data...)
}

// withEXIF puts an EXIF part with an orientation and a secret into a JPEG file.
func withEXIF(file []byte, orientation byte) []byte {
	tiff := []byte("MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00")
	tiff = append(tiff, orientation, 0, 0, 0, 0, 0, 0)
	body := append([]byte("Exif\x00\x00"), append(tiff, "GPS 37.5665 N 126.9780 E"...)...)
	segment := binary.BigEndian.AppendUint16([]byte{0xFF, 0xE1}, uint16(len(body)+2))
	return bytes.Join([][]byte{file[:2], segment, body, file[2:]}, nil)
}

func TestDecodeAvatar(t *testing.T) {
	isRed := func(img image.Image, x, y int) bool {
		r, _, b, _ := img.At(x, y).RGBA()
		return r > 0xC000 && b < 0x4000
	}
	jpg := encoded(t, "jpeg", picture(400, 300))
	for name, c := range map[string]struct {
		file   []byte
		redTop bool // after turning, red is above; else left
	}{
		"png":            {encoded(t, "png", picture(600, 300)), false},
		"tall":           {encoded(t, "png", picture(300, 900)), false},
		"tiny":           {encoded(t, "png", picture(2, 2)), false},
		"gif":            {encoded(t, "gif", picture(300, 300)), false},
		"webp":           {redBlueWebP(300, 200), false},
		"jpeg":           {jpg, false},
		"jpeg with EXIF": {withEXIF(jpg, 1), false},
		"turned":         {withEXIF(jpg, 6), true},
		"nonsense EXIF":  {withEXIF(jpg, 99), false},
	} {
		out, err := DecodeAvatar(c.file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		img, err := png.Decode(bytes.NewReader(out))
		if err != nil || img.Bounds().Dx() != AvatarSize || img.Bounds().Dy() != AvatarSize {
			t.Errorf("%s: %v, %v", name, img.Bounds(), err)
			continue
		}
		if bytes.Contains(out, []byte("GPS")) || bytes.Contains(out, []byte("Exif")) {
			t.Errorf("%s: where it was taken is still there", name)
		}
		const edge, far = 20, AvatarSize - 20
		left, top := isRed(img, edge, 128) && !isRed(img, far, 128), isRed(img, 128, edge) && !isRed(img, 128, far)
		if left == c.redTop || top != c.redTop {
			t.Errorf("%s: red is left %t, above %t", name, left, top)
		}
	}
}

// hugePNG claims a size far beyond its data.
func hugePNG(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte("IHDR"), w), h)
	head = append(head, 8, 2, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, 13)
	b = append(b, head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}

func TestDecodeAvatarRefuses(t *testing.T) {
	good := encoded(t, "png", picture(300, 300))
	for name, c := range map[string]struct {
		file []byte
		code Code
	}{
		"nothing":        {nil, CodeBadRequest},
		"text":           {[]byte("hello"), CodeBadRequest},
		"SVG":            {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>`), CodeBadRequest},
		"HTML":           {[]byte("<!DOCTYPE html>"), CodeBadRequest},
		"BMP":            {[]byte("BM" + strings.Repeat("\x00", 100)), CodeBadRequest},
		"TIFF":           {[]byte("II*\x00" + strings.Repeat("\x00", 100)), CodeBadRequest},
		"cut off":        {good[:len(good)/2], CodeBadRequest},
		"only a header":  {[]byte("\x89PNG\r\n\x1a\n"), CodeBadRequest},
		"65535 x 65535":  {hugePNG(65535, 65535), CodeTooLong},
		"2^31 x 2^31":    {hugePNG(1<<31-1, 1<<31-1), CodeBadRequest},
		"0 x 0":          {hugePNG(0, 0), CodeBadRequest},
		"too many bytes": {append(good, make([]byte, MaxAvatarUpload)...), CodeTooLong},
		"broken JPEG":    {[]byte("\xff\xd8\xff\xe1\x00"), CodeBadRequest},
		"broken WebP":    {[]byte("RIFF\xff\xff\xff\xffWEBPVP8L\xff\xff\xff\xff\x2f\xff\xff\xff\xff"), CodeBadRequest},
		"broken GIF":     {[]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), CodeTooLong},
	} {
		if _, err := DecodeAvatar(c.file); CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
		}
	}
}

func FuzzDecodeAvatarHeader(f *testing.F) {
	f.Add(withEXIF([]byte("\xff\xd8\xff\xd9"), 6))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x10Exif\x00\x00II*\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) { exifOrientation(b) }) // must not panic
}
