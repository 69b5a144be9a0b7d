"""A libcloud NodeDriver over the vagrant command line: VirtualBox, VMware, libvirt and LXC by one Vagrantfile.

One noun, one file: driver (libcloud's verbs), rows (what `--machine-readable` prints), errors (vagrant's, typed),
project (a topology's folder and environment), commands (run vagrant), way_in (keys and ssh), containers (what only LXC
has), boxes, plain (vagrant called by hand). `vagrant/Vagrantfile` decides names, sizes and addresses.
"""

PROVIDERS = ("lxc", "virtualbox", "vmware_desktop", "libvirt")
