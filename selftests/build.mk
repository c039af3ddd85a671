# SPDX-License-Identifier: GPL-2.0-only
# The test programs. OUT is where everything goes, TOOLS where the library is.
OUT ?= build/tests
TOOLS ?= build/tools
CFLAGS ?= -O2 -g

FLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra $(WERROR) -Iinclude/uapi \
	 -Iuserspace/lib -Iselftests/vmm -Iuserspace/agent -Iuserspace/cli \
	 -DGUEST_BIN='"$(OUT)/guest.bin"' \
	 $(shell pkg-config --cflags libnl-3.0 json-c)
LIBS := $(TOOLS)/libkassign.a $(shell pkg-config --libs libnl-3.0 libnl-genl-3.0) -lpthread
GUEST_FLAGS := -std=gnu11 -O1 -Wall -Wextra $(WERROR) -ffreestanding -fno-pie \
	-no-pie -nostdlib -static -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables

vmm-src := $(wildcard $(addprefix selftests/vmm/,tap.c vmm.c host.c nic.c witness.c rnd.c mirror.c vfio.c fuzz.c))
vmm-obj := $(vmm-src:%.c=$(OUT)/%.o)
tests := $(patsubst selftests/%.c,%,$(wildcard selftests/t_*.c))
benches := $(patsubst selftests/%.c,%,$(wildcard selftests/bench_*.c))
units := $(patsubst selftests/unit/%.c,%,$(wildcard selftests/unit/test_*.c))

all: $(addprefix $(OUT)/,$(tests) $(benches) odd slow_agent.so) $(units:%=$(OUT)/%)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) -MMD -c -o $@ $<

$(OUT)/guest.bin: selftests/vmm/guest.c selftests/vmm/mbox.h selftests/vmm/guest.lds
	@mkdir -p $(@D)
	$(CC) $(GUEST_FLAGS) -Wl,-T,selftests/vmm/guest.lds -Wl,--build-id=none \
		-Wl,-z,noexecstack -Wl,--oformat=binary -o $@ $<

$(OUT)/selftests/vmm/vmm.o: $(OUT)/guest.bin

$(OUT)/t_%: $(OUT)/selftests/t_%.o $(vmm-obj) $(TOOLS)/libkassign.a
	$(CC) -o $@ $(filter %.o,$^) $(LIBS)

# What the agent makes of the kernel log
$(OUT)/t_dma: $(TOOLS)/userspace/agent/faults.o

# These have a main() of their own.
$(OUT)/bench_%: $(OUT)/selftests/bench_%.o $(vmm-obj) $(TOOLS)/libkassign.a
	$(CC) -o $@ $(filter-out %/tap.o,$(filter %.o,$^)) $(LIBS)

# A device for the virtual host: the agent's protocol, nothing of the library
odd-obj := $(OUT)/selftests/host/odd.o $(patsubst %,$(TOOLS)/userspace/agent/%.o,vfu_device vfu_msg)
$(OUT)/odd: $(odd-obj)
	$(CC) -o $@ $^

$(OUT)/slow_agent.so: selftests/e2e/slow_agent.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) -shared -fPIC -o $@ $<

# Unit tests take what they test from the tools' objects.
$(OUT)/test_vfu: unit-obj := userspace/agent/vfu_device.o userspace/agent/vfu_msg.o
$(OUT)/test_vfu: UNIT_LDFLAGS := $(foreach f,guest_sync device_get_info \
	device_get_region device_get_irq irq_eventfds irq_disable irq_inject \
	intx_mask intx_resample \
	device_reset region_read region_write,-Wl,--wrap=kassign_$(f))
$(OUT)/test_bdf: unit-obj :=
$(OUT)/test_agent: unit-obj := userspace/agent/sandbox.o userspace/agent/faults.o
$(OUT)/test_agent: UNIT_LDFLAGS := $(shell pkg-config --libs libseccomp libcap-ng)
$(OUT)/test_qmp: unit-obj := userspace/cli/qmp.o userspace/cli/vmm.o userspace/cli/util.o
$(OUT)/test_qmp: UNIT_LDFLAGS := -Wl,--wrap=now_ms -Wl,--wrap=poll
$(OUT)/test_vmm: unit-obj := userspace/cli/vmm.o userspace/cli/util.o
$(OUT)/test_guestfind: unit-obj := userspace/cli/guestfind.o userspace/cli/util.o
# These once more, for states in the directory the test is in.
state-obj := $(OUT)/userspace/cli/state.o $(OUT)/userspace/cli/recover.o
$(state-obj): FLAGS += -DRUN_DIR='"."'
$(OUT)/test_state: $(state-obj)
$(OUT)/test_state: unit-obj := userspace/cli/util.o userspace/cli/out.o
$(OUT)/test_state: UNIT_LDFLAGS := $(state-obj)
# The tools' objects are made by userspace/build.mk, which runs first.
$(OUT)/test_%: $(OUT)/selftests/unit/test_%.o $(wildcard $(TOOLS)/userspace/*/*.o)
	$(CC) -o $@ $< $(unit-obj:%=$(TOOLS)/%) $(UNIT_LDFLAGS) $(LIBS) \
		$(shell pkg-config --libs cmocka json-c)

-include $(vmm-obj:.o=.d) $(OUT)/selftests/host/odd.d $(units:%=$(OUT)/selftests/unit/%.d) $(state-obj:.o=.d) $(patsubst %,$(OUT)/selftests/%.d,$(tests) $(benches))
.SECONDARY:
.PHONY: all
