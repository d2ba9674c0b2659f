package chat

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"

	xdraw "golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// DecodeAvatar makes the kept picture of an uploaded one: the square in its
// middle, AvatarSize pixels wide, as a new PNG. Only pixels survive: EXIF,
// places, comments and whatever else the file carried are gone. The kind of
// file is decided by its content, its size in pixels before it is decoded.
func DecodeAvatar(upload []byte) ([]byte, error) {
	if len(upload) > MaxAvatarUpload {
		return nil, Errorf(CodeTooLong, "a picture has at most %d bytes", MaxAvatarUpload)
	}
	format := sniffImage(upload)
	if format == nil {
		return nil, Errorf(CodeBadRequest, "a picture is a JPEG, PNG, GIF or WebP file")
	}
	size, err := format.config(bytes.NewReader(upload))
	if err != nil {
		return nil, badImage(err)
	}
	if size.Width <= 0 || size.Height <= 0 || int64(size.Width)*int64(size.Height) > MaxAvatarPixels {
		return nil, Errorf(CodeTooLong, "a picture has at most %d pixels", MaxAvatarPixels)
	}
	img, err := format.decode(bytes.NewReader(upload))
	if err != nil {
		return nil, badImage(err)
	}
	small := image.NewRGBA(image.Rect(0, 0, AvatarSize, AvatarSize))
	// CatmullRom looks at every pixel of the source, so great pictures do not
	// come out ragged.
	xdraw.CatmullRom.Scale(small, small.Bounds(), img, square(img.Bounds()), xdraw.Src, nil)
	upright := turn(small, exifOrientation(upload))
	var out bytes.Buffer
	if err := png.Encode(&out, upright); err != nil {
		return nil, badImage(err)
	}
	return out.Bytes(), nil
}

func badImage(err error) error {
	return &Error{Code: CodeBadRequest, Message: "the picture cannot be read", Err: err}
}

type imageFormat struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// sniffImage tells the format by its first bytes; nil: none that is allowed.
func sniffImage(b []byte) *imageFormat {
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xd8\xff")):
		return &imageFormat{jpeg.DecodeConfig, jpeg.Decode}
	case bytes.HasPrefix(b, []byte("\x89PNG\r\n\x1a\n")):
		return &imageFormat{png.DecodeConfig, png.Decode}
	case bytes.HasPrefix(b, []byte("GIF87a")), bytes.HasPrefix(b, []byte("GIF89a")):
		return &imageFormat{gif.DecodeConfig, gif.Decode} // the first picture of it
	case len(b) >= 12 && string(b[:4]) == "RIFF" && string(b[8:12]) == "WEBP":
		return &imageFormat{webp.DecodeConfig, webp.Decode}
	}
	return nil
}

// square is the greatest square in the middle of r.
func square(r image.Rectangle) image.Rectangle {
	side := min(r.Dx(), r.Dy())
	x, y := r.Min.X+(r.Dx()-side)/2, r.Min.Y+(r.Dy()-side)/2
	return image.Rect(x, y, x+side, y+side)
}

// turn sets a square picture upright, by the EXIF orientation 1 to 8.
func turn(src *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return src
	}
	n := src.Bounds().Dx()
	dst := image.NewRGBA(src.Bounds())
	for y := range n {
		for x := range n {
			fromX, fromY := x, y
			switch orientation {
			case 2:
				fromX = n - 1 - x
			case 3:
				fromX, fromY = n-1-x, n-1-y
			case 4:
				fromY = n - 1 - y
			case 5:
				fromX, fromY = y, x
			case 6:
				fromX, fromY = y, n-1-x
			case 7:
				fromX, fromY = n-1-y, n-1-x
			case 8:
				fromX, fromY = n-1-y, x
			}
			dst.SetRGBA(x, y, src.RGBAAt(fromX, fromY))
		}
	}
	return dst
}

// exifOrientation finds the orientation in the EXIF part of a JPEG file; 1,
// upright, if there is none or it makes no sense.
func exifOrientation(b []byte) int {
	if !bytes.HasPrefix(b, []byte("\xff\xd8")) {
		return 1
	}
	for b = b[2:]; len(b) >= 4 && b[0] == 0xFF && b[1] != 0xDA; {
		n := int(binary.BigEndian.Uint16(b[2:])) + 2
		if n > len(b) {
			return 1
		}
		if segment := b[4:max(4, n)]; b[1] == 0xE1 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")) {
			return tiffOrientation(segment[6:])
		}
		b = b[n:]
	}
	return 1
}

// tiffOrientation reads tag 0x0112 of the first directory.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if string(b[:2]) == "II" {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(b[4:]))
	if at+2 > int64(len(b)) {
		return 1
	}
	entries := int64(order.Uint16(b[at:]))
	for i := range entries {
		e := at + 2 + 12*i
		if e+12 > int64(len(b)) {
			return 1
		}
		if order.Uint16(b[e:]) == 0x0112 {
			return int(order.Uint16(b[e+8:]))
		}
	}
	return 1
}
