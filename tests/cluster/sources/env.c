/* Prints its environment, one variable a line, and then waits until it is told to leave. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

extern char **environ;

static void leave(int number) {
  (void)number;
  _exit(0);
}

int main(void) {
  signal(SIGTERM, leave);
  for (char **variable = environ; *variable; variable++) {
    puts(*variable);
  }
  fflush(stdout);
  for (;;) {
    pause();
  }
}
