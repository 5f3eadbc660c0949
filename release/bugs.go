package release

func (l *Line) foldBug(f *EffectDone) {}
