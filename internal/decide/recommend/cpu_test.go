package recommend
import ("testing";"syscall";"time";"fmt";"accord/internal/decide";"accord/internal/profile")
func cpu() time.Duration { var r syscall.Rusage; syscall.Getrusage(syscall.RUSAGE_SELF,&r); return time.Duration(r.Utime.Nano()+r.Stime.Nano()) }
func TestCPU(t *testing.T){
 data := shop(1, 8000, 5000, 30)
 for _, k := range []int{200,300} {
 m,err:=Train(t.Context(),data,Options{TopK:k}); if err!=nil{t.Fatal(err)}
 e:=New(func(id string) bool { return id != "" }); e.Swap(m)
 var hs [][]profile.Interaction
 for _,h:=range data{ if len(h.Items)==30{hs=append(hs,interactions(h))}}
 s := newScratch()
 for _,n:=range []int{10,20,25,40}{ 
  b := [8]time.Duration{}; for i := range b { b[i]=time.Hour }
  meas := func(x int, f func(q *Question)) { c:=cpu(); for i:=range 2000 { f(&Question{Ask:decide.Ask{N:n,Moment:decide.Moment{Time:now}},History:hs[i%len(hs)],Show:e.show}) }; b[x]=min(b[x],(cpu()-c)/2000) }
  reset := func(){ for i := range s.sources { s.slot[s.sources[i].item] = 0 }; clear(s.sources); s.sources = s.sources[:0] }
  for range 30 {
   meas(0, func(q *Question){ e.decide(&q.Ask,q.History) })
   meas(1, func(q *Question){ s.gather(m,q); reset() })
   meas(2, func(q *Question){ s.gather(m,q); s.score(m,q); reset() })
   meas(3, func(q *Question){ s.gather(m,q); s.score(m,q); s.exclude(m,q); s.best(len(m.items),m,q); reset() })
   meas(4, func(q *Question){ s.gather(m,q); p:=s.score(m,q); s.exclude(m,q); s.best(len(m.items),m,q); s.explain(m,p); reset() })
  }
  fmt.Println("K",k,"n",n,"all gather score best explain",b[:5])
 }}
}
