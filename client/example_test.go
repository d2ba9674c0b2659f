package client_test

import (
	"context"
	"fmt"
	"log"

	"gori/client"
)

// An echo bot: it logs in, hears every message of its channels and answers.
func Example() {
	ctx := context.Background()
	c, err := client.New("http://localhost:8080", client.Options{UserAgent: "echo bot"})
	if err != nil {
		log.Fatal(err)
	}
	if err := c.LogIn(ctx, "echo", "a long password"); err != nil {
		log.Fatal(err)
	}
	heard := make(chan client.Message, 100)
	live, err := c.Connect(ctx, client.LiveOptions{Events: client.Events{
		Message: func(m client.Message) {
			if m.Sender != c.Me().ID && m.Kind == 0 {
				heard <- m
			}
		},
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer live.Close()
	for m := range heard {
		r, err := live.Send(ctx, client.Outgoing{Channel: m.Channel, Body: m.Body, ReplyTo: m.Seq})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("stored as", r.Seq)
	}
}
