package reports
import "io"
func EncodePage(w io.Writer, r *Run) error { return nil }
