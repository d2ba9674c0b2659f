package notifytest

import (
	"testing"

	"gori/chat"
)

func TestBook(t *testing.T) {
	last := chat.UserID(0)
	Suite(t, &Book{}, func(string) chat.UserID { last++; return last })
}
