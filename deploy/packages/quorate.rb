# Homebrew's formula of {{.Version}}, which builds from the source archive of the same release.
class Quorate < Formula
  desc "Distributed coordination store that speaks etcd's APIs"
  homepage "https://github.com/quoratedb/quorate"
  url "https://github.com/quoratedb/quorate/releases/download/{{.Tag}}/{{.Source}}"
  version "{{.Version}}"
  sha256 "{{.SHA256}}"
  license "Apache-2.0"

  depends_on "go" => :build

  def install
    ENV["CGO_ENABLED"] = "0"
    ENV["GOWORK"] = "off"
    flags = ["-trimpath", "-tags=grpcnotrace", "-ldflags=-s -w -X main.version={{.Describe}}"]
    system "go", "-C", "services/quorate", "build", *flags, "-o", "#{bin}/quorate", "./cmd/quorate"
    system "go", "-C", "services/ctl", "build", *flags, "-o", "#{bin}/", "./cmd/quoratectl", "./cmd/quorateutl"
    system "go", "-C", "services/ctl", "run", *flags, "./internal/manual", "#{buildpath}/manual"
    man1.install Dir["manual/*.1"]
    generate_completions_from_executable(bin/"quoratectl", "completion")
    generate_completions_from_executable(bin/"quorateutl", "completion")
  end

  service do
    run [opt_bin/"quorate", "--data-dir", var/"quorate"]
    keep_alive true
  end

  test do
    assert_match "Quorate Version: {{.Describe}}", shell_output("#{bin}/quorate --version")
    assert_match "{{.Describe}}", shell_output("#{bin}/quoratectl version")
  end
end
