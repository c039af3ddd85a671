// SPDX-License-Identifier: GPL-2.0-only
/*
 * kassign: gives a PCI device to a KVM guest that is already running.
 */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const struct command {
	const char *name;
	const char *args;
	const char *help;
	int (*run)(int argc, char **argv, struct options *opt);
} commands[] = {
	{ "attach", "DEV GUEST", "give a device to a running guest", cmd_attach },
	{ "detach", "DEV", "take it back to the host", cmd_detach },
	{ "list", "", "network devices (--all: all) and where they are", cmd_list },
	{ "guests", "", "running KVM guests", cmd_guests },
	{ "status", "[DEV]", "what is assigned, with counters", cmd_status },
	{ "check", "[DEV [GUEST]]", "every precondition, cause and cure", cmd_check },
	{ "recover", "", "give back what a killed kassign left", cmd_recover },
	{ 0 }
};

static void usage(FILE *out)
{
	const struct command *cmd;

	fputs("Usage: kassign COMMAND [OPTION]...\n\n", out);
	for (cmd = commands; cmd->name; cmd++)
		fprintf(out, "  %-8s %-16s %s\n", cmd->name, cmd->args, cmd->help);
	fputs("\n"
	      "DEV    PCI address (01:00.0, 0000:01:00.0) or network interface\n"
	      "GUEST  QEMU -name, or process id\n"
	      "\n"
	      "  --qmp PATH      attach: QMP socket of the guest\n"
	      "  --bus ID        attach: port to plug into\n"
	      "  --irq KIND      attach: auto (default), inject, irqfd\n"
	      "  --rom WHAT      attach: option ROM for the guest's firmware: auto (the\n"
	      "                  device's own, default), off, or a file\n"
	      "  --force         attach: though it carries the default route\n"
	      "                  detach: though the guest does not let go\n"
	      "  --timeout SEC   attach: wait for the guest to enable the device\n"
	      "                  detach: wait for the guest to let go (default 30)\n"
	      "  --no-wait       attach: do not wait for the guest\n"
	      "  --all           list: all devices\n"
	      "  --json          output for programs\n"
	      "  --help, --version\n"
	      "\n"
	      "Exit code: 0 done, 1 failed and undone, 2 usage, 3 refused and nothing\n"
	      "changed, 4 not root.\n", out);
}

enum { OPT_QMP = 256, OPT_BUS, OPT_IRQ, OPT_ROM, OPT_FORCE, OPT_TIMEOUT,
	OPT_NO_WAIT, OPT_ALL, OPT_JSON, OPT_VERSION };

static const struct option long_options[] = {
	{ "qmp", required_argument, NULL, OPT_QMP },
	{ "bus", required_argument, NULL, OPT_BUS },
	{ "irq", required_argument, NULL, OPT_IRQ },
	{ "rom", required_argument, NULL, OPT_ROM },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "no-wait", no_argument, NULL, OPT_NO_WAIT },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 }
};

static int bad(const char *text, const char *value)
{
	fprintf(stderr, "kassign: %s: %s\n  kassign --help shows how\n", text,
		value);
	return EXIT_USAGE;
}

/* EXIT_OK to go on; another code, or -1 for a good end */
static int set_option(int c, struct options *opt)
{
	char *end;

	switch (c) {
	case OPT_QMP:
		opt->qmp = optarg;
		break;
	case OPT_BUS:
		opt->bus = optarg;
		break;
	case OPT_IRQ:
		opt->irq = optarg;
		if (strcmp(optarg, "auto") && strcmp(optarg, "inject") &&
		    strcmp(optarg, "irqfd"))
			return bad("no such kind of interrupt delivery", optarg);
		break;
	case OPT_ROM:
		opt->rom = optarg;
		break;
	case OPT_FORCE:
		opt->force = true;
		break;
	case OPT_TIMEOUT:
		opt->timeout = strtol(optarg, &end, 10);
		if (*end || opt->timeout < 1 || opt->timeout > 3600)
			return bad("not a number of seconds", optarg);
		break;
	case OPT_NO_WAIT:
		opt->no_wait = true;
		break;
	case OPT_ALL:
		opt->all = true;
		break;
	case OPT_JSON:
		opt->json = true;
		break;
	case 'h':
		usage(stdout);
		return -1;
	case OPT_VERSION:
		puts("kassign " KASSIGN_VERSION);
		return -1;
	default:
		fputs("  kassign --help shows how\n", stderr);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct options opt = { .timeout = 30, .irq = "auto", .rom = "auto" };
	const struct command *cmd;
	int c, code;

	if (!strcmp(argv[0], "kassign-agent"))
		return agent_main(argc, argv);
	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		code = set_option(c, &opt);
		if (code)
			return code < 0 ? EXIT_OK : code;
	}
	if (optind >= argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	for (cmd = commands; cmd->name; cmd++)
		if (!strcmp(cmd->name, argv[optind]))
			return cmd->run(argc - optind - 1, argv + optind + 1,
					&opt);
	return bad("no such command", argv[optind]);
}
