# Goal: Homebrew's formula is right about the archive that it builds from, and builds, and its own test passes. Method: Homebrew's words that the
# formula uses, each of which does here what it does there; no Homebrew is needed.
#
#   ruby formula_test.rb FORMULA ARCHIVE
require "digest"
require "fileutils"
require "pathname"
require "tmpdir"

class Formula
  class << self
    attr_reader :said, :tried
    %i[desc homepage url version sha256 license].each do |word|
      define_method(word) { |value| (@said ||= {})[word] = value }
    end
    def depends_on(*) = nil
    def service = nil
    def test(&block) = @tried = block
  end

  def initialize(prefix, buildpath)
    @prefix, @buildpath = Pathname(prefix), Pathname(buildpath)
    FileUtils.mkdir_p(bin)
  end

  attr_reader :buildpath

  def bin = @prefix/"bin"
  def man1 = Installer.new(@prefix/"share/man/man1")
  def system(*command) = Kernel.system(*command.map(&:to_s)) || raise("#{command.join(" ")} failed")
  def shell_output(command) = `#{command}`.tap { raise "#{command} failed" unless $?.success? }
  def assert_match(want, got) = got.include?(want) || raise("#{want} is not in #{got}")

  def generate_completions_from_executable(program, *arguments)
    %w[bash zsh fish].each do |shell|
      raise "no completion for #{shell}" if shell_output([program, *arguments, shell].join(" ")).empty?
    end
  end
end

Installer = Struct.new(:folder) do
  def install(files)
    raise "nothing to install" if files.empty?

    FileUtils.mkdir_p(folder)
    FileUtils.cp(files, folder)
  end
end

formula, archive = ARGV
load formula
said = Quorate.said
raise "the formula's checksum is not the archive's" unless said[:sha256] == Digest::SHA256.file(archive).hexdigest
raise "the formula's URL is not the archive's" unless File.basename(said[:url]) == File.basename(archive)

Dir.mktmpdir do |dir|
  source = "#{dir}/source"
  FileUtils.mkdir_p(source)
  Kernel.system("tar", "-xzf", archive, "--strip-components=1", "-C", source) || raise("tar failed")
  made = Quorate.new("#{dir}/prefix", source)
  Dir.chdir(source) { made.install }
  made.instance_exec(&Quorate.tried)
  programs = Dir["#{dir}/prefix/bin/*"].map { |path| File.basename(path) }.sort
  raise "it made #{programs}" unless programs == %w[quorate quoratectl quorateutl]

  puts "ok: the formula builds #{programs.join(", ")} and #{Dir["#{dir}/prefix/share/man/man1/*.1"].size} manual pages"
end
