package recommend
import ("testing";"syscall";"time";"fmt";"accord/internal/decide";"accord/internal/profile")
func cpu() time.Duration { var r syscall.Rusage; syscall.Getrusage(syscall.RUSAGE_SELF,&r); return time.Duration(r.Utime.Nano()+r.Stime.Nano()) }
func TestCPU(t *testing.T){
 data := shop(1, 8000, 5000, 30)
 for _, k := range []int{100,200,300,400} {
 t0:=time.Now(); c0:=cpu()
 m,err:=Train(t.Context(),data,Options{TopK:k}); if err!=nil{t.Fatal(err)}
 fmt.Println("train wall",time.Since(t0),"cpu",cpu()-c0)
 e:=New(func(id string) bool { return id != "" }); e.Swap(m)
 var hs [][]profile.Interaction
 for _,h:=range data{ if len(h.Items)==30{hs=append(hs,interactions(h))}}
 for _,n:=range []int{10,20}{ for _,hist:=range []bool{true,false} {
  best:=time.Hour
  for range 30 { a:=decide.Ask{N:n,Moment:decide.Moment{Time:now}}; c:=cpu(); for i:=range 2000 { if hist {e.decide(&a,hs[i%len(hs)])} else {e.decide(&a,nil)} }; best=min(best,(cpu()-c)/2000) }
  fmt.Println("K",k,"n",n,"hist",hist,best)
 }}}
}
