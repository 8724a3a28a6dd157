package main

import (
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// draw writes the latency curves, latency on a logarithmic scale.
func draw(path string, subjects ...*subject) error {
	p := plot.New()
	p.Title.Text = *scenario + ", arrivals at a fixed rate"
	p.X.Label.Text, p.Y.Label.Text = "requests a second", "latency, ms"
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	colors := []color.Color{color.RGBA{R: 0xb0, G: 0x30, B: 0x20, A: 0xff}, color.RGBA{R: 0x20, G: 0x50, B: 0xa0, A: 0xff}}
	for i, s := range subjects {
		for _, dashed := range []bool{false, true} {
			if err := s.add(p, colors[i%len(colors)], dashed); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return p.Save(20*vg.Centimeter, 12*vg.Centimeter, path)
}

// add draws one line: p99, or dashed p50.
func (s *subject) add(p *plot.Plot, c color.Color, dashed bool) error {
	name, line := s.name+" p99", plotter.XYs{}
	if dashed {
		name = s.name + " p50"
	}
	for _, at := range s.points {
		latency := at.p99
		if dashed {
			latency = at.p50
		}
		line = append(line, plotter.XY{X: at.rate, Y: latency.Seconds() * 1e3})
	}
	drawn, err := plotter.NewLine(line)
	if err != nil {
		return err
	}
	drawn.Color, drawn.Width = c, vg.Points(1.5)
	if dashed {
		drawn.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
	}
	p.Add(drawn)
	p.Legend.Add(name, drawn)
	return nil
}
