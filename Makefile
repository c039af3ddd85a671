# SPDX-License-Identifier: GPL-2.0-only
#
# On a machine that is to use kassign:
#   make            the module for the running kernel (KDIR=... for another)
#   make tools      the kassign command and library
#   make install    both, with DKMS where it is there
# On any Debian 12 machine, nothing needed beforehand:
#   make demo       a NIC is given to a running guest, in a virtual host
#   make check      all tests, some minutes
#   make lint       the static checks among them, one minute
#   make check-debug    the module's tests on a kernel with KASAN, lockdep, ...
#   make check-deaths   N=200 random deaths and races, from SEED on
#   make check-cycles   N=300 times attach, traffic, detach
#   make check-dma      DMA_ATTEMPTS=100000 out of the guest
#   make check-stress   STRESS_SECONDS=600 of memory that changes under DMA
#   make check-devices  every family of devices, in a running guest and back
#   make check-irqs     IRQS=350000 interrupts by each of three ways
#   make bench-irqs     COUNT=5000 interrupts, against VFIO
#   make bench-memory   mapping a guest's memory, against VFIO; MIB=1024 ROUNDS=5

KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr
DESTDIR ?=
VERSION := 0.1
VHOST := selftests/host/vhost

all: module tools

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

module_install:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules_install

tools:
	$(MAKE) -f userspace/build.mk OUT=$(or $(OUT),build/tools)

install: install-tools install-dkms

install-tools: tools
	install -D -m 755 build/tools/kassign $(DESTDIR)$(PREFIX)/sbin/kassign
	install -D -m 755 build/tools/libkassign.so.0 $(DESTDIR)$(PREFIX)/lib/libkassign.so.0
	ln -sf libkassign.so.0 $(DESTDIR)$(PREFIX)/lib/libkassign.so
	install -D -m 644 userspace/lib/libkassign.h $(DESTDIR)$(PREFIX)/include/libkassign.h
	install -D -m 644 include/uapi/linux/kassign.h $(DESTDIR)$(PREFIX)/include/linux/kassign.h

# The source where DKMS looks for it; DKMS then builds it for every kernel.
install-dkms:
	install -d $(DESTDIR)$(PREFIX)/src/kassign-$(VERSION)
	cp -r Kbuild dkms.conf src include $(DESTDIR)$(PREFIX)/src/kassign-$(VERSION)/
	@if [ -z "$(DESTDIR)" ]; then \
		dkms add -m kassign -v $(VERSION) 2>/dev/null || :; \
		dkms install -m kassign -v $(VERSION); fi

demo:
	@selftests/demo

check:
	@selftests/check

lint:
	@selftests/lint

check-debug:
	@selftests/check-debug

check-deaths check-cycles check-dma check-stress check-devices check-irqs:
	@selftests/check-long $(@:check-%=%)

bench-memory bench-irqs:
	@selftests/bench $(@:bench-%=%)

vhost-root:
	@$(VHOST) root

clean:
	rm -rf build

.PHONY: all module module_install tools install install-tools install-dkms \
	demo check lint check-debug check-deaths check-cycles check-dma check-stress \
	check-devices check-irqs bench-memory bench-irqs vhost-root clean
