// One member of a memberlist cluster at the LAN defaults, for `npm run detect`: what others' detection takes on the same
// network. It prints a line for each member that it comes to know or takes for dead, and runs until it is killed.
//
//	memberlist NAME ADDRESS [ADDRESS-OF-A-MEMBER]
package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/memberlist"
)

type printer struct{}

func (printer) NotifyJoin(node *memberlist.Node)   { fmt.Println("alive", node.Name) }
func (printer) NotifyLeave(node *memberlist.Node)  { fmt.Println("dead", node.Name) }
func (printer) NotifyUpdate(node *memberlist.Node) {}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "memberlist:", err)
	os.Exit(1)
}

func tryToJoin(list *memberlist.Memberlist) bool {
	_, err := list.Join(os.Args[3:])
	if err != nil {
		time.Sleep(50 * time.Millisecond)
	}
	return err == nil
}

func main() {
	if len(os.Args) < 3 {
		fail(fmt.Errorf("expected NAME ADDRESS [ADDRESS-OF-A-MEMBER]"))
	}
	config := memberlist.DefaultLANConfig()
	config.Name, config.BindAddr, config.AdvertiseAddr = os.Args[1], os.Args[2], os.Args[2]
	config.Events, config.LogOutput = printer{}, io.Discard
	list, err := memberlist.Create(config)
	if err != nil {
		fail(err)
	}
	// The member to join may not be up yet.
	for joined := len(os.Args) == 3; !joined; joined = tryToJoin(list) {
	}
	select {}
}
