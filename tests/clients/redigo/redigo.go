// redigo 1.8 of Debian, the Go client that asks for nothing but what it is told to. How the
// sentences reach pytest is told in ../scripted.py.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	pollEvery  = 10 * time.Millisecond
	trueWithin = 30 * time.Second
)

// check says a sentence with its proof, which panics with what is wrong.
func check(sentence string, proof func()) {
	report := map[string]interface{}{"sentence": sentence, "problem": nil}
	func() {
		defer func() {
			if problem := recover(); problem != nil {
				report["problem"] = fmt.Sprint(problem)
			}
		}()
		proof()
	}()
	line, _ := json.Marshal(report)
	fmt.Println(string(line))
}

func same(wanted, found interface{}) {
	if !reflect.DeepEqual(wanted, found) {
		panic(fmt.Sprintf("wanted %#v, found %#v", wanted, found))
	}
}

// must takes what a helper of redigo answers, as in must(redis.Int(conn.Do("INCR", "k"))).
func must(answer interface{}, problem error) interface{} {
	if problem != nil {
		panic(problem)
	}
	return answer
}

func fails(words string, problem error) {
	if problem == nil || !strings.Contains(problem.Error(), words) {
		panic(fmt.Sprintf("wanted %q, found %v", words, problem))
	}
}

func becomesTrue(question func() bool) {
	for until := time.Now().Add(trueWithin); !question(); time.Sleep(pollEvery) {
		if time.Now().After(until) {
			panic("it never became true")
		}
	}
}

func dial(port string, settings ...redis.DialOption) redis.Conn {
	settings = append(settings, redis.DialReadTimeout(trueWithin))
	conn, problem := redis.Dial("tcp", "127.0.0.1:"+os.Getenv(port), settings...)
	must(conn, problem)
	return conn
}

// empty runs a program with a connection to an empty server.
func empty(program func(redis.Conn)) func() {
	return func() {
		conn := dial("OPEN_PORT")
		defer conn.Close()
		must(conn.Do("FLUSHALL"))
		program(conn)
	}
}

func main() {
	connections()
	values()
	shared()
}

func connections() {
	password := os.Getenv("LOCKED_PASSWORD")
	check("signs in, with a name and a database", func() {
		conn := dial("LOCKED_PORT", redis.DialUsername("default"), redis.DialPassword(password),
			redis.DialClientName("gopher"), redis.DialDatabase(3))
		defer conn.Close()
		same("gopher", must(redis.String(conn.Do("CLIENT", "GETNAME"))))
		clients := must(redis.String(conn.Do("CLIENT", "LIST"))).(string)
		same(true, strings.Contains(clients, " db=3 "))
	})

	check("is refused with a wrong password and without one", func() {
		_, problem := redis.DialURL("redis://:wrong@127.0.0.1:" + os.Getenv("LOCKED_PORT"))
		fails("WRONGPASS invalid username-password pair", problem)
		conn := dial("LOCKED_PORT")
		defer conn.Close()
		_, problem = conn.Do("GET", "k")
		fails("NOAUTH Authentication required.", problem)
	})

	check("is told what is wrong", empty(func(conn redis.Conn) {
		must(conn.Do("SET", "k", "word"))
		_, problem := conn.Do("INCR", "k")
		same(redis.Error("ERR value is not an integer or out of range"), problem)
		_, problem = conn.Do("LPUSH", "k", "v")
		fails("WRONGTYPE", problem)
		_, problem = redis.String(conn.Do("GET", "none"))
		same(redis.ErrNil, problem)
	}))
}

func values() {
	check("keeps every byte", empty(func(conn redis.Conn) {
		every := make([]byte, 1<<20)
		for n := range every {
			every[n] = byte(n)
		}
		same("OK", must(redis.String(conn.Do("SET", every[:256], every))))
		same(true, bytes.Equal(every, must(redis.Bytes(conn.Do("GET", every[:256]))).([]byte)))
	}))

	check("reads numbers, truths and lists of them", empty(func(conn redis.Conn) {
		must(conn.Do("MSET", "i", 42, "f", 1.5, "b", true))
		same(int64(42), must(redis.Int64(conn.Do("GET", "i"))))
		same(1.5, must(redis.Float64(conn.Do("GET", "f"))))
		same(true, must(redis.Bool(conn.Do("GET", "b"))))
		same([]string{"42", "", "1"}, must(redis.Strings(conn.Do("MGET", "i", "none", "b"))))
		same([]int64{1, 2, 3}, must(redis.Int64s(conn.Do("EVAL", "return {1, 2, 3}", 0))))
	}))

	check("keeps a struct in a hash", empty(func(conn redis.Conn) {
		type book struct {
			Title string `redis:"title"`
			Pages int    `redis:"pages"`
			Sold  bool   `redis:"sold"`
		}
		wanted := book{"Emma", 474, true}
		must(conn.Do("HSET", redis.Args{}.Add("book:1").AddFlat(&wanted)...))
		var found book
		row := must(redis.Values(conn.Do("HGETALL", "book:1"))).([]interface{})
		must(nil, redis.ScanStruct(row, &found))
		same(wanted, found)
		same(map[string]string{"title": "Emma", "pages": "474", "sold": "1"},
			must(redis.StringMap(conn.Do("HGETALL", "book:1"))))
	}))

	check("keeps lists and sets", empty(func(conn redis.Conn) {
		same(3, must(redis.Int(conn.Do("RPUSH", redis.Args{}.Add("l").AddFlat([]string{"a", "b", "c"})...))))
		same([]string{"b", "c"}, must(redis.Strings(conn.Do("LRANGE", "l", 1, -1))))
		same(2, must(redis.Int(conn.Do("SADD", "s", "x", "y", "x"))))
		same(1, must(redis.Int(conn.Do("SISMEMBER", "s", "y"))))
	}))

	check("walks over thousands of keys", empty(func(conn redis.Conn) {
		for n := 0; n < 5000; n++ {
			must(nil, conn.Send("SET", fmt.Sprintf("k:%d", n), n))
		}
		must(conn.Do(""))
		seen, cursor := map[string]bool{}, 0
		for {
			page := must(redis.Values(conn.Do("SCAN", cursor, "MATCH", "k:*", "COUNT", 100))).([]interface{})
			var keys []string
			must(redis.Scan(page, &cursor, &keys))
			for _, key := range keys {
				seen[key] = true
			}
			if cursor == 0 {
				break
			}
		}
		same(5000, len(seen))
	}))
}

func shared() {
	check("reads a pipeline in its order, errors included", empty(func(conn redis.Conn) {
		must(nil, conn.Send("SET", "k", "word"))
		must(nil, conn.Send("INCR", "k"))
		must(nil, conn.Send("GET", "k"))
		must(nil, conn.Flush())
		same("OK", must(redis.String(conn.Receive())))
		_, problem := conn.Receive()
		fails("not an integer", problem)
		same("word", must(redis.String(conn.Receive())))
	}))

	check("runs a transaction, and loses one to another's write", empty(func(conn redis.Conn) {
		attempt := func(meanwhile func()) (interface{}, error) {
			must(conn.Do("WATCH", "k"))
			meanwhile()
			must(nil, conn.Send("MULTI"))
			must(nil, conn.Send("INCR", "k"))
			must(nil, conn.Send("EXPIRE", "k", 60))
			return conn.Do("EXEC")
		}
		same([]int{1, 1}, must(redis.Ints(attempt(func() {}))))
		other := dial("OPEN_PORT")
		defer other.Close()
		_, problem := redis.Ints(attempt(func() { must(other.Do("SET", "k", 5)) }))
		same(redis.ErrNil, problem)
	}))

	check("sends a script only when the server has not got it", empty(func(conn redis.Conn) {
		must(conn.Do("SCRIPT", "FLUSH"))
		script := redis.NewScript(1, "return {KEYS[1], redis.call('INCRBY', KEYS[1], ARGV[1])}")
		for _, wanted := range []int64{5, 10} {
			same([]interface{}{[]byte("n"), wanted}, must(redis.Values(script.Do(conn, "n", 5))))
		}
		same([]int{1}, must(redis.Ints(conn.Do("SCRIPT", "EXISTS", script.Hash()))))
	}))

	check("counts from many goroutines through a pool", empty(func(conn redis.Conn) {
		pool := &redis.Pool{
			MaxActive: 8, MaxIdle: 8, Wait: true,
			Dial:         func() (redis.Conn, error) { return dial("OPEN_PORT"), nil },
			TestOnBorrow: func(idle redis.Conn, _ time.Time) error { _, err := idle.Do("PING"); return err },
		}
		defer pool.Close()
		var counting sync.WaitGroup
		for n := 0; n < 40; n++ {
			counting.Add(1)
			go func() {
				defer counting.Done()
				counter := pool.Get()
				defer counter.Close()
				counter.Do("INCR", "n")
			}()
		}
		counting.Wait()
		same(40, must(redis.Int(conn.Do("GET", "n"))))
	}))

	check("hears what is published, on channels and patterns", empty(func(conn redis.Conn) {
		heard := redis.PubSubConn{Conn: dial("OPEN_PORT")}
		defer heard.Close()
		must(nil, heard.Subscribe("news"))
		must(nil, heard.PSubscribe("we*"))
		same(redis.Subscription{Kind: "subscribe", Channel: "news", Count: 1}, heard.Receive())
		same(redis.Subscription{Kind: "psubscribe", Channel: "we*", Count: 2}, heard.Receive())
		same(1, must(redis.Int(conn.Do("PUBLISH", "news", "first"))))
		same(1, must(redis.Int(conn.Do("PUBLISH", "weather", "rain"))))
		same(redis.Message{Channel: "news", Data: []byte("first")}, heard.Receive())
		same(redis.Message{Channel: "weather", Pattern: "we*", Data: []byte("rain")}, heard.Receive())
		must(nil, heard.Ping("still there"))
		same(redis.Pong{Data: "still there"}, heard.Receive())
		must(nil, heard.Unsubscribe())
		same(redis.Subscription{Kind: "unsubscribe", Channel: "news", Count: 1}, heard.Receive())
	}))

	check("lets keys expire", empty(func(conn redis.Conn) {
		must(conn.Do("SET", "k", "v", "PX", 30))
		becomesTrue(func() bool {
			_, problem := redis.String(conn.Do("GET", "k"))
			return errors.Is(problem, redis.ErrNil)
		})
	}))
}
