/* Connects to the IPv4 address and the port of its two arguments; ends with 0 when that works. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main(int count, char **arguments) {
  struct sockaddr_in peer = {.sin_family = AF_INET};
  if (count != 3 || inet_pton(AF_INET, arguments[1], &peer.sin_addr) != 1) {
    fputs("usage: connect ADDRESS PORT\n", stderr);
    return 2;
  }
  peer.sin_port = htons((unsigned short)atoi(arguments[2]));
  int line = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(line, (struct sockaddr *)&peer, sizeof peer) != 0) {
    perror("connect");
    return 1;
  }
  return 0;
}
