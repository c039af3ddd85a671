# SPDX-License-Identifier: GPL-2.0-only
# The library and the command. OUT is where everything goes.
OUT ?= build/tools
CFLAGS ?= -O2 -g
PKGS := libnl-3.0 libnl-genl-3.0 libnl-route-3.0 libkmod libpci json-c \
	libseccomp libcap-ng

FLAGS := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra $(WERROR) -fPIC \
	 -Iinclude/uapi -Iuserspace/lib $(shell pkg-config --cflags $(PKGS))
LIBS := $(shell pkg-config --libs $(PKGS)) -lpthread
LIB_LIBS := $(shell pkg-config --libs libnl-3.0 libnl-genl-3.0)

lib-src := $(wildcard userspace/lib/*.c)
tool-src := $(wildcard userspace/cli/*.c userspace/agent/*.c)
lib-obj := $(lib-src:%.c=$(OUT)/%.o)
tool-obj := $(tool-src:%.c=$(OUT)/%.o)

all: $(OUT)/kassign $(OUT)/libkassign.so.0 $(OUT)/libkassign.a

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(FLAGS) $(CFLAGS) -MMD -c -o $@ $<

$(OUT)/libkassign.a: $(lib-obj)
	$(AR) rcs $@ $^

$(OUT)/libkassign.so.0: $(lib-obj)
	$(CC) -shared -Wl,-soname,libkassign.so.0 $(LDFLAGS) -o $@ $^ $(LIB_LIBS)

$(OUT)/kassign: $(tool-obj) $(OUT)/libkassign.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)

-include $(lib-obj:.o=.d) $(tool-obj:.o=.d)
.PHONY: all
