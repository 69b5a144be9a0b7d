# A topology file as vagrant needs it: machines with sizes and addresses. Called by the Vagrantfile.
#
# The file was checked by bin/primetime; here it is only read.

require "digest"
require "fileutils"
require "ipaddr"
require "json"
require "socket"
require "yaml"

module Primetime
  # A sentence that vagrant ends with.
  class Problem < Vagrant::Errors::VagrantError
    def initialize(sentence)
      @sentence = sentence
      super()
    end

    def error_key = nil

    def error_message = @sentence
  end

  REPO = File.expand_path("..", __dir__)
  STATE = "/var/lib/primetime".freeze
  NETWORK = "192.168.56.0/24".freeze # the only private one that VirtualBox allows without being told
  RESERVED = 10 # of a network's first addresses: its own, the controlling machine's, and fixtures'

  PERIOD_US = 100_000 # the kernel's own, of a CPU cap

  Machine = Struct.new(:name, :address, :memory_mb, :cpus, :cpu_weight, :roles, keyword_init: true)

  # What a topology file says. `named` is a path, or a name in inventories/.
  class Topology
    attr_reader :file, :name, :image, :network, :machines

    def initialize(named)
      path = named.include?("/") || named.end_with?(".yml", ".yaml")
      @file = path ? File.expand_path(named) : File.join(REPO, "inventories", "#{named}.yml")
      raise Problem, "#{named}: no such topology at #{@file}: set PRIMETIME_TOPOLOGY to a name or a path" unless File.file?(@file)

      data = YAML.safe_load(File.read(@file), aliases: true)
      @name, @image = data.values_at("name", "image")
      @declared = data["network"]
      @groups = data.fetch("groups")
      read_network
    rescue KeyError, NoMethodError, TypeError, Psych::Exception
      raise Problem, "#{@file} is not a topology of local machines: bin/primetime plan -t #{named} says why"
    end

    # The network that the machines are in, or will be: it decides their addresses.
    def read_network
      @network = IPAddr.new(made || @declared || NETWORK)
      @machines = machines_of(@groups)
    end

    # What the names of its machines begin with where a provider knows them.
    def prefix
      "primetime_#{@name}_"
    end

    def netmask
      IPAddr.new("255.255.255.255").mask(@network.prefix).to_s
    end

    def gateway
      host(1)
    end

    # The key that bin/primetime opens the topology's machines with.
    def key
      File.join(STATE, @name, "ssh", "id_ed25519")
    end

    # The bridge that bin/primetime makes for a topology of containers.
    def bridge
      "pt-#{Digest::SHA256.hexdigest(@name)[0, 8]}"
    end

    # Note for primetime, in vagrant's own folder, which machine has which address.
    def tell(folder)
      file, text = File.join(folder, "primetime.json"), JSON.generate(@machines.to_h { |machine| [machine.name, machine.address] })
      return if File.file?(file) && File.read(file) == text

      FileUtils.mkdir_p(folder)
      File.write("#{file}.#{Process.pid}", text)
      File.rename("#{file}.#{Process.pid}", file)
    end

    # What a container's configuration has beside its box's: (key, value).
    def lxc(machine)
      {
        "net.0.type" => "veth",
        "net.0.link" => bridge,
        "net.0.name" => "eth0",
        "net.0.flags" => "up",
        "net.0.ipv4.address" => "#{machine.address}/#{@network.prefix}",
        "net.0.ipv4.gateway" => gateway,
        **caps(machine)
      }
    end

    private

    # Control groups of version 1 where this machine has them.
    def caps(machine)
      bytes = machine.memory_mb << 20
      if File.exist?("/sys/fs/cgroup/cgroup.controllers")
        caps = { "cgroup2.memory.max" => bytes, "cgroup2.cpu.weight" => machine.cpu_weight }
        caps["cgroup2.cpu.max"] = "#{(machine.cpus * PERIOD_US).round} #{PERIOD_US}" if machine.cpus
      else
        caps = { "cgroup.memory.limit_in_bytes" => bytes, "cgroup.cpu.shares" => machine.cpu_weight * 1024 / 100 }
        caps["cgroup.cpu.cfs_quota_us"] = (machine.cpus * PERIOD_US).round if machine.cpus
      end
      caps
    end

    # The network that the topology's machines have already.
    def made
      file = File.join(STATE, @name, "network.json")
      JSON.parse(File.read(file))["cidr"] if File.readable?(file)
    end

    def machines_of(groups)
      declared = groups.flat_map do |group, spec|
        Array.new(spec.fetch("count")) do |index|
          Machine.new(
            name: "#{group}-#{index + 1}",
            address: (spec["addresses"] || [])[index],
            memory_mb: spec.fetch("memory_mb"),
            cpus: spec["cpus"],
            cpu_weight: spec["cpu_weight"] || 100,
            roles: spec.fetch("roles")
          )
        end
      end
      declared.each { |machine| machine.address ||= free_address(machine.name, declared) }
    end

    # A place that the name decides, or the first free one after it: other machines come and go, and it stays.
    def free_address(name, machines)
      taken = machines.map(&:address)
      hosts = (RESERVED..(1 << (32 - @network.prefix)) - 2).map { |number| host(number) }
      hosts.rotate(Digest::SHA256.hexdigest(name).hex % hosts.size).find { |address| !taken.include?(address) }
    end

    def host(number)
      IPAddr.new(@network.to_i + number, Socket::AF_INET).to_s
    end
  end

  # What `vagrant up` and `vagrant destroy` by hand do beside making and removing machines: bin/primetime does it.
  class ByHand
    COMMAND = File.join(REPO, "bin", "primetime")

    def initialize(topology, folder)
      @topology = topology
      @folder = folder
      @mutex = Mutex.new
      @done = false
    end

    # A container's box and bridge must be there before vagrant looks for them.
    def prepare
      primetime("up", "lxc", "--prepare") if ARGV.first == "up" && provider == "lxc"
    end

    # With the last machine of the topology, its roles and a rehearsal: `vagrant up` ends in a demo.
    def up(machine)
      @mutex.synchronize do
        return if @done || !@topology.machines.all? { |wanted| id?(wanted.name) }

        @done = true
        primetime("demo", machine.provider_name)
      end
    end

    # With the last machine, the network too.
    def destroyed
      @mutex.synchronize do
        primetime("down", nil, "--yes") if Dir.glob(File.join(@folder, "machines", "*", "*", "id")).empty?
      end
    end

    private

    def id?(name)
      Dir.glob(File.join(@folder, "machines", name, "*", "id")).any?
    end

    # The provider that vagrant will take, as far as that can be told before it does.
    def provider
      given = ARGV.each_cons(2).find { |word, _| word == "--provider" }&.last
      given ||= ARGV.find { |word| word.start_with?("--provider=") }&.split("=", 2)&.last
      given || ENV["VAGRANT_DEFAULT_PROVIDER"] || (Vagrant::Util::Which.which("VBoxManage") ? "virtualbox" : "lxc")
    end

    def primetime(verb, provider, *more)
      command = [COMMAND, verb, "-t", @topology.file]
      command += ["--provider", "vagrant:#{provider}"] if provider
      command = ["sudo", "-E", *command] unless Process.uid.zero?
      home = ENV["VAGRANT_HOME"] || File.join(Dir.home, ".vagrant.d")
      environment = { "PRIMETIME_VAGRANT_FOLDER" => File.expand_path(@folder), "VAGRANT_HOME" => home }
      well = Vagrant::Util::Env.with_original_env { system(environment, *command, *more) }
      raise Problem, "#{command.join(" ")} failed: its words above say why; vagrant up goes on from here" unless well
    end
  end

  # The boxes that machines are made of: `PRIMETIME_BOX`, or one of ours with a machine's roles, or our newest plain one, or
  # a public one.
  class Boxes
    def initialize(release)
      @release = release
      @given = ENV["PRIMETIME_BOX"]
    end

    # (name, address) of the box for a container; vagrant takes the name alone while it has the box already.
    def lxc(machine)
      file = @given || with_roles(machine.roles) || plain
      return ["primetime/#{@release}", nil] unless file
      return [file, nil] unless File.file?(file)

      ["primetime/#{File.basename(file, ".box")}", "file://#{File.expand_path(file)}"]
    end

    def named(public)
      @given || public
    end

    private

    # primetime/drivers/vagrant/converged.py says how a box is called after its roles.
    def with_roles(roles)
      return if ENV["PRIMETIME_PLAIN_BOXES"] || plain.nil?

      file = "#{plain.delete_suffix(".box")}.#{Digest::SHA256.hexdigest(roles.join(" "))[0, 8]}.box"
      file if File.file?(file)
    end

    def plain
      cache = ENV["PRIMETIME_CACHE"] || File.join(Dir.home, ".cache", "primetime")
      boxes = Dir.glob(File.join(cache, "boxes", "#{@release}-*.box"))
      boxes.reject { |file| File.basename(file, ".box").include?(".") }.max_by { |file| File.mtime(file) }
    end
  end
end
